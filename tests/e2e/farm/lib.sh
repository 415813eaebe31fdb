# Shared by the tests of a farm: hosts are network namespaces of this test's
# own, joined by a bridge that lives in one more, so nothing outside is touched.
#
#   sw      the bridge
#   nats    10.77.0.2     bus; nats2 and nats3 join it in a cluster
#   d1 d2   10.77.0.11/12 dispatch (and registry)
#   standby 10.77.0.13
#   m1..m3  10.77.0.21..  media
#   ph      10.77.0.31    phones
#
# Source it, call farm_begin, start what is needed, and end with e2e_end.

. "$(dirname "$0")/../lib.sh"

ns=jf$$
if ! ip netns add "$ns-sw" 2>/dev/null; then
	echo "network namespaces need root and iproute2; skipped"
	exit 77
fi
if ! command -v nats-server >/dev/null; then
	ip netns del "$ns-sw"
	echo "nats-server is not installed; skipped"
	exit 77
fi

net=10.77.0
hosts=()
declare -A pidof=() confof=() hostof=()
declare -A skew=()             # what a server is run by, if anything

# on HOST COMMAND...: runs it there
on() {
	local host=$1
	shift
	ip netns exec "$ns-$host" "$@"
}

# exec_on HOST COMMAND...: likewise, as the process itself: for what runs in the
# background and gets signals
exec_on() {
	local host=$1
	shift
	exec ip netns exec "$ns-$host" "$@"
}

# host NAME NUMBER: a host with address $net.NUMBER
host() {
	ip netns add "$ns-$1" || exit 1
	hosts+=("$1")
	ip link add "e$2" netns "$ns-$1" type veth peer name "p$2" \
		netns "$ns-sw" || exit 1
	ip -n "$ns-$1" link set lo up
	ip -n "$ns-$1" addr add "$net.$2/24" dev "e$2"
	ip -n "$ns-$1" link set "e$2" up
	ip -n "$ns-sw" link set "p$2" master br0 up
	eval "addr_$1=$net.$2 port_$1=p$2"
}

addr() { eval "echo \$addr_$1"; }

# host_cut NAME, host_heal NAME: its cable is pulled, and put back
host_cut()  { eval "ip -n $ns-sw link set \$port_$1 down"; }
host_heal() { eval "ip -n $ns-sw link set \$port_$1 up"; }

farm_begin() {
	e2e_begin
	trap farm_clean EXIT
	ip -n "$ns-sw" link add br0 type bridge
	ip -n "$ns-sw" link set br0 up
	host nats 2; host nats2 3; host nats3 4
	host d1 11; host d2 12; host standby 13
	host m1 21; host m2 22; host m3 23
	host ph 31
	ip=$(addr d1) phone_ip=$(addr ph)
	head -c 32 /dev/urandom > "$work/noc.key"
	chmod 600 "$work/noc.key"
}

farm_clean() {
	local h pid
	# the shell would tell of each one that it was killed
	exec 2>/dev/null
	for h in "${hosts[@]}" sw; do
		for pid in $(ip netns pids "$ns-$h"); do
			kill -KILL "$pid"
		done
	done
	wait
	for h in "${hosts[@]}" sw; do
		ip netns del "$ns-$h"
	done
	e2e_clean
}

bus_url=nats://$net.2:4222

nats_start() {
	exec_on nats nats-server -a "$(addr nats)" -p 4222 -js \
		-sd "$work/nats" >>"$work/nats.log" 2>&1 </dev/null &
	natspid=$!
	pids+=("$natspid")
	until_ok on nats bash -c ": </dev/tcp/$(addr nats)/4222"
}

# Three of them that share what they store; their processes are in natspidof
declare -A natspidof=()
nats_cluster_start() {
	local h
	for h in nats nats2 nats3; do
		cat > "$work/$h.conf" <<-CONF
		server_name: $h
		listen: $(addr $h):4222
		jetstream { store_dir: "$work/$h" }
		cluster {
		  name: noc
		  listen: $(addr $h):6222
		  routes: [
		    nats://$(addr nats):6222
		    nats://$(addr nats2):6222
		    nats://$(addr nats3):6222
		  ]
		}
		CONF
		exec_on $h nats-server -c "$work/$h.conf" \
			>>"$work/$h.log" 2>&1 </dev/null &
		natspidof[$h]=$!
		pids+=($!)
	done
	bus_url=nats://$(addr nats):4222,nats://$(addr nats2):4222
	bus_url=$bus_url,nats://$(addr nats3):4222
	for h in nats nats2 nats3; do
		until_ok on $h bash -c ": </dev/tcp/$(addr $h)/4222" ||
			return 1
	done
	until_ok grep -q 'JetStream cluster new metadata leader' \
		"$work/nats.log" "$work/nats2.log" "$work/nats3.log"
}

# Whose machine stands still for a moment is not dead, and what is slow is not
# lost: these tests are about what becomes of calls; how soon is told by
# contrib/bench.
patience="heartbeat.timeout=1500 heartbeat.ping=1000"
patience_media="server.drain_seconds=90 capacity.strain=0"
patience_media="$patience_media move.punt_above=0"
patience_dispatch="dispatch.reserve_timeout=5000"

# server NAME HOST ROLE [KEY=VALUE...]: starts a junctord with
# contrib/ROLE.conf on HOST; calling it again starts it anew.
server() {
	local name=$1 host=$2 role=$3 dir=$work/noc/$1 args=() kv
	shift 3
	mkdir -p "$dir"
	confof[$name]="$host $role $*"
	hostof[$name]=$host
	{
		cat "$srcdir/contrib/$role.conf"
		echo
		echo "server.name	$name"
		echo "server.dir	$dir"
		echo "noc.key	$work/noc.key"
		echo "bus.url	$bus_url"
		echo "sip.listen	$(addr "$host"):5060"
		[ "$role" != media ] || echo "mesh.listen	$(addr "$host")"
	} > "$dir/junctord.conf"
	# shellcheck disable=SC2086
	for kv in $patience $(eval "echo \${patience_$role:-}") "$@"; do
		args+=(--set "$kv")
	done
	rm -f "$work/ready.$name"
	mkfifo "$work/ready.$name"
	# shellcheck disable=SC2086
	exec_on "$host" ${skew[$name]:-} "$builddir/src/junctord" -f "$dir/junctord.conf" \
		--modules "$builddir/modules" "${args[@]}" \
		--ready-fd 9 9>"$work/ready.$name" \
		>>"$dir/console.log" 2>>"$dir/errors.log" </dev/null &
	pidof[$name]=$!
	pids+=($!)
	if [ -z "$(timeout 90 head -c 1 "$work/ready.$name" | od -An -c)" ]
	then
		tail -n 5 "$dir/errors.log" "$dir/junctord.log"
		note "$name did not start"
		exit 1
	fi
}

# server_again NAME: what was stopped or killed is started as it was
server_again() {
	# shellcheck disable=SC2086
	server "$1" ${confof[$1]}
}

server_kill() {
	kill -KILL "${pidof[$1]}"
	wait "${pidof[$1]}" 2>/dev/null
}

# server_stop NAME: asked politely; its exit status in $rc
server_stop() {
	kill -TERM "${pidof[$1]}"
	until_ok ended "$1" || kill -KILL "${pidof[$1]}"
	wait "${pidof[$1]}" 2>/dev/null
	rc=$?
}

running() { kill -0 "${pidof[$1]}" 2>/dev/null; }
ended() { ! running "$1"; }

# at NAME COMMAND...: the operator's command at a server
at() {
	local name=$1
	shift
	on "${hostof[$name]}" "$builddir/src/junctor" \
		--dir "$work/noc/$name" "$@"
}

# The usual farm: bus, two dispatch servers with registry, three media.
farm_start() {
	nats_start || { note "no nats-server"; exit 1; }
	servers_start "$@"
}

servers_start() {
	server d1 d1 dispatch "$@"
	server d2 d2 dispatch "$@"
	server m1 m1 media "$@"
	server m2 m2 media "$@"
	server m3 m3 media "$@"
	check "both dispatch servers see three media servers" \
		until_ok farm_whole
}

media_seen() {
	[ "$(at "$1" capacity --json | grep -o '"state":"in service"' |
	     wc -l)" = "$2" ]
}

# reaches DISPATCH N: so many media servers are in contact with it
reaches() {
	[ "$(at "$1" capacity --json | grep -o '"in_contact":true' |
	     wc -l)" = "$2" ]
}

farm_whole() { media_seen d1 3 && media_seen d2 3; }

# where CONF [DISPATCH]: the media server that the table names
where() {
	at "${2:-d1}" table --json | tr '{' '\n' |
		sed -n "s/.*\"conference\":\"$1\".*\"server\":\"\([^\"]*\)\".*/\1/p"
}

# find_conf CONF: waits until the table tells the server; sets $old to it
find_old() { old=$(where "$1") && [ -n "$old" ]; }
find_conf() { check "the table says where $1 is" until_ok find_old "$1"; }

# in_conf CONF: how many are in it, on whichever servers
in_conf() {
	local s n=0
	for s in m1 m2 m3; do
		running "$s" && n=$((n + $(in_conf_at "$s" "$1")))
	done
	echo "$n"
}

# in_conf_at SERVER CONF: how many of them are on that server
in_conf_at() {
	local n
	n=$(at "$1" --here conferences --json 2>/dev/null | tr '{' '\n' |
		sed -n "s/.*\"name\":\"$2\".*\"participants\":\([0-9]*\).*/\1/p")
	echo "${n:-0}"
}

has_in() { [ "$(in_conf "$1")" = "$2" ]; }

# tables_equal: both know the same conferences, on the same servers. How many
# are in one is told when it changes; who was away then knows it by the next
# change.
table_of() {
	local t
	t=$(at "$1" table --json) || return 1
	tr '{' '\n' <<<"$t" | sed 's/,"participants":[0-9]*//' | sort
}
tables_equal() {
	local a b
	a=$(table_of d1) && b=$(table_of d2) && [ "$a" = "$b" ]
}

# keys BUCKET: what is stored there
keys() { on nats python3 "$e2e/farm/kv.py" "$(addr nats):4222" "$1"; }

bucket_empty() { bucket_has 0 "$1"; }
bucket_has() { local k; k=$(keys "$2") && [ "$(grep -c . <<<"$k")" = "$1" ]; }

# What a farm must look like when everybody has hung up.
check_nothing_left() {
	check "the conference tables are equal" until_ok tables_equal
	check "no seat is left behind"  until_ok bucket_empty seats
	check "no room is left behind"  until_ok bucket_empty rooms
	check "no claim is left behind" until_ok bucket_empty conferences
}

# usage_rows: all records of all media servers, one leg a line
usage_rows() {
	local s
	for s in m1 m2 m3; do
		running "$s" && at "$s" usage --csv | sed 1d
	done
}

# check_usage LEGS: complete and not doubled
check_usage() {
	check "$1 usage records, complete and not doubled" \
		until_ok usage_is "$1"
}

usage_is() { [ "$(usage_rows | wc -l)" = "$1" ]; }

# dial from the host of the phones
dial_on_ph() {
	local dir=$work/$1
	(cd "$dir" && exec ip netns exec "$ns-ph" baresip -f "$dir" \
		-t "$phone_secs" -e "d sip:$2@$ip:5060" \
		>"$dir/phone.log" 2>&1 </dev/null) &
	eval "pid_$1=$!"
	pids+=($!)
}

# part A... / B...: two groups of hosts no longer reach each other; heal again
part() {
	local a b side=a as=() bs=()
	for a; do
		if [ "$a" = / ]; then side=b
		elif [ $side = a ]; then as+=("$a")
		else bs+=("$a")
		fi
	done
	parted=("${as[@]}" / "${bs[@]}")
	for a in "${as[@]}"; do
		for b in "${bs[@]}"; do
			ip -n "$ns-$a" route add blackhole "$(addr "$b")"
			ip -n "$ns-$b" route add blackhole "$(addr "$a")"
		done
	done
}

heal() {
	local h
	for h in "${parted[@]}"; do
		[ "$h" = / ] || ip -n "$ns-$h" route flush type blackhole
	done
}
