# Used by contrib/up and contrib/down: a farm of servers on one machine.
# Expects $top and lib.sh.
#
#   DIR          the dispatch server, and what all share: noc.key
#   DIR/mediaN   a media server each
#   DIR/nats     nats-server: nats.conf, nats.pid, nats.log, its store

# alive PID: it runs, and does not only wait for somebody to notice its end
alive() {
	local line
	while read -r line; do
		[[ $line == State:*Z* ]] && return 1
		[[ $line == State:* ]] && return 0
	done 2>/dev/null </proc/"$1"/status
	return 1
}

# pid_of FILE: the process that it names, if it runs. After a crash or a new
# start of the machine another process may have that number: a server keeps its
# file locked, NATS is known by its name.
pid_of() {
	local pid
	pid=$(cat "$1" 2>/dev/null) && [ -n "$pid" ] && alive "$pid" ||
		return 1
	case $1 in
	*/junctord.pid) ! flock -n -s "$1" true 2>/dev/null ;;
	*) grep -q '^nats-server' "/proc/$pid/comm" 2>/dev/null ;;
	esac && echo "$pid"
}

# random_hex BYTES
random_hex() { od -An -tx1 -N"$1" /dev/urandom | tr -d ' \n'; }

nats_program() {
	command -v nats-server || command -v /usr/sbin/nats-server ||
		die "nats-server is not installed"
}

# nats_conf DIR PORT: nobody but this farm gets in, and nobody from elsewhere
nats_conf() {
	(umask 077; cat >"$1/nats.conf" <<CONF
# Written by contrib/up. To run it again: nats-server -c $1/nats.conf
listen: 127.0.0.1:$2
pid_file: "$1/nats.pid"
log_file: "$1/nats.log"
logfile_size_limit: 10MB
ports_file_dir: "$1"
jetstream {
  store_dir: "$1/store"
  max_memory_store: 256MB
  max_file_store: 4GB
}
authorization {
  user: junctor
  password: "$(cat "$1/password")"
}
CONF
	) || die "cannot write $1/nats.conf"
}

# nats_start DIR: sets $nats_pid, $nats_port. The first time the kernel chooses
# the port; later it stays the same, if it is still free. A farm on one machine
# needs no more than one core of it for NATS, which with more of them wakes up
# several threads for each message.
nats_start() {
	local dir=$1 port=-1 try ports
	mkdir -p "$dir" || die "cannot write to $dir"
	[ -s "$dir/password" ] ||
		(umask 077; random_hex 24 >"$dir/password")
	[ -s "$dir/port" ] && port=$(cat "$dir/port")
	for try in "$port" -1; do
		rm -f "$dir"/*.ports "$dir/nats.pid"
		nats_conf "$dir" "$try"
		GOMAXPROCS=${GOMAXPROCS:-1} setsid "$(nats_program)" \
			-c "$dir/nats.conf" </dev/null \
			>>"$dir/nats.log" 2>&1 &
		nats_pid=$!
		for _ in $(seq 3000); do
			ports=$(cat "$dir"/*.ports 2>/dev/null) && break
			alive "$nats_pid" || break
			sleep 0.01
		done
		[[ $ports =~ nats://[0-9.]+:([0-9]+) ]] && break
		kill "$nats_pid" 2>/dev/null
		nats_pid=
	done
	[ -n "$nats_pid" ] || {
		tail -n 5 "$dir/nats.log" >&2
		die "nats-server did not start; see $dir/nats.log"
	}
	nats_port=${BASH_REMATCH[1]}
	echo "$nats_port" >"$dir/port"
	nats_conf "$dir" "$nats_port"
}

# farm_conf ROLE NAME DIR SIP MEDIA: the configuration of one server
farm_conf() {
	(umask 077; {
		cat "$top/contrib/$1.conf"
		echo
		echo "# Written by contrib/up at every start; use its --set."
		echo "server.name	$2"
		echo "server.dir	$3"
		echo "sip.listen	$4"
		[ "$1" != media ] || echo "mesh.listen	$5"
		echo "noc.key		$dir/noc.key"
		echo "bus.url		nats://127.0.0.1:$nats_port"
		echo "bus.user	junctor"
		echo "bus.password	$(cat "$dir/nats/password")"
	} >"$3/junctord.conf") || die "cannot write $3/junctord.conf"
}

# farm_end SECONDS DIR [PID...]: the servers first, who say goodbye, then
# nats-server. PIDs are for those that have written no file yet. False if one
# had to be killed.
farm_end() {
	local limit=$(($1 * 10)) dir=$2 ends pid f ok=0
	shift 2
	ends=("$@")
	for f in "$dir/junctord.pid" "$dir"/media*/junctord.pid; do
		pid=$(pid_of "$f") && ends+=("$pid")
	done
	[ "${#ends[@]}" = 0 ] || kill -TERM "${ends[@]}" 2>/dev/null
	for pid in "${ends[@]}"; do
		while alive "$pid" && [ "$limit" -gt 0 ]; do
			sleep 0.1
			limit=$((limit - 1))
		done
		! alive "$pid" || {
			say "process $pid does not end; killing it"
			kill -KILL "$pid" 2>/dev/null
			ok=1
		}
	done
	if pid=$(pid_of "$dir/nats/nats.pid"); then
		kill -TERM "$pid" 2>/dev/null
		for _ in $(seq 200); do
			alive "$pid" || break
			sleep 0.1
		done
		! alive "$pid" || kill -KILL "$pid"
		rm -f "$dir/nats/nats.pid"
	fi
	return "$ok"
}
