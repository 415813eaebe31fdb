# Shared by the tests with real phones: a server of its own per test, phones,
# and the count of what was checked. Source it, call e2e_begin, and end with
# e2e_end, which prints "N passed, N failed".

set -u
srcdir=$(cd "${srcdir:-$(dirname "$0")/../..}" && pwd)
builddir=$(cd "${abs_builddir:-${builddir:-.}}" && pwd)
e2e=$srcdir/tests/e2e
passed=0 failed=0 failures= pids=() listen= media=

# A loopback address of this test's own, so that tests run side by side.
ip=127.$((RANDOM % 250 + 2)).$((RANDOM % 254 + 1)).$((RANDOM % 254 + 1))
phone_ip=127.0.0.1                 # where phones are

note() { printf '%s\n' "$*"; }

# check WHAT COMMAND...: one check, passed if the command succeeds
check() {
	local what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
		note "ok: $what"
	else
		failed=$((failed + 1))
		failures="$failures${failures:+$'\n'}NOT OK: $what"
		note "NOT OK: $what"
	fi
}

e2e_begin() {
	work=$(mktemp -d "${TMPDIR:-/tmp}/junctor-e2e-XXXXXX")
	trap e2e_clean EXIT
	trap 'exit 1' INT TERM
}

# ends PID...: waits for their ends; who takes too long is killed
ends() {
	local pid end=$((SECONDS + 30))
	for pid; do
		while kill -0 "$pid" 2>/dev/null && [ "$SECONDS" -lt "$end" ]
		do sleep 0.1; done
		kill -KILL "$pid" 2>/dev/null
		wait "$pid"
	done 2>/dev/null
}

e2e_clean() {
	local pid
	for pid in "${pids[@]}"; do
		kill -CONT "$pid" 2>/dev/null
		kill "$pid" 2>/dev/null
	done
	ends "${pids[@]}"
	[ -n "${E2E_KEEP:-}" ] && note "kept $work" || rm -rf "$work"
}

e2e_end() {
	if [ "$failed" != 0 ]; then
		tail -n 50 "$work"/noc/*.log "$work"/noc/*/*.log 2>/dev/null
		note "$failures"
	fi
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ]
}

# noc_start [KEY=VALUE...]: a whole centre on $ip:5060, or where $listen and
# $media say; sets $noc and $nocpid
noc_start() {
	local conf args=() kv
	noc=$work/noc
	mkdir -p "$noc"
	conf=$noc/junctord.conf
	cp "$srcdir/contrib/noc.conf" "$conf"
	{
		echo "server.dir	$noc"
		# late ticks are this machine's, and nobody is refused for them
		echo "capacity.strain	0"
		echo "sip.listen	${listen:-$ip:5060}"
		echo "mesh.listen	${media:-$ip}"
	} >> "$conf"
	for kv; do args+=(--set "$kv"); done
	rm -f "$work/ready"
	mkfifo "$work/ready"
	"$builddir/src/junctord" -f "$conf" --modules "$builddir/modules" \
		"${args[@]}" --ready-fd 9 9>"$work/ready" \
		>"$noc/console.log" 2>"$noc/errors.log" </dev/null &
	nocpid=$!
	pids+=("$nocpid")
	if [ -z "$(timeout 90 head -c 1 "$work/ready" | od -An -c)" ]; then
		cat "$noc/errors.log"
		note "the server did not start"
		exit 1
	fi
}

# noc_stop: ends it; the time it took in ms is in $stop_ms, its status in $rc
noc_stop() {
	local t0 end=$((SECONDS + limit))
	t0=$(date +%s%N)
	kill -TERM "$nocpid" 2>/dev/null
	while kill -0 "$nocpid" 2>/dev/null; do
		if [ "$SECONDS" -ge "$end" ]; then
			note "the server does not end"
			kill -KILL "$nocpid"
		fi
		sleep 0.05
	done
	wait "$nocpid"
	rc=$?
	stop_ms=$((($(date +%s%N) - t0) / 1000000))
}

junctor() { "$builddir/src/junctor" --dir "$noc" "$@"; }

# until_ok COMMAND...: waits until the command succeeds. What may take a second
# here takes many on a machine that has other things to do: the limit only ends
# what would never succeed, and once a check has failed there is less to wait
# for.
limit=90
until_ok() {
	local end=$((SECONDS + (failed ? 45 : limit)))
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.2
	done
}

# phone NAME CODEC TONE: a baresip that says a tone [Hz] and keeps what it
# hears in $work/NAME/*-dec.wav; call it with `dial NAME CONFERENCE`.
phone_secs=400                     # a phone calls no longer than that
phone() {
	local name=$1 codec=$2 tone=$3 dir=$work/$1
	mkdir -p "$dir"
	python3 "$e2e/tone.py" make "$dir/tone.wav" "$tone" "$phone_secs" 8000
	cat > "$dir/config" <<-CONF
	module_path		/usr/lib/baresip/modules
	module			stdio.so
	module			g711.so
	module			g722.so
	module			opus.so
	module			aufile.so
	module			aubridge.so
	module			sndfile.so
	module_tmp		uuid.so
	module_tmp		account.so
	module_app		menu.so
	sip_listen		$phone_ip:0
	net_interface		$phone_ip
	audio_source		aufile,$dir/tone.wav
	audio_player		aubridge,$name
	audio_txmode		thread
	ausrc_srate		8000
	ausrc_channels		1
	snd_path		$dir
	rtp_timeout		0
	CONF
	echo "<sip:$name@$ip>;regint=0;audio_codecs=$codec;answermode=auto" \
		> "$dir/accounts"
	: > "$dir/contacts"
}

# dial NAME CONFERENCE
dial() {
	local dir=$work/$1
	(cd "$dir" && exec baresip -f "$dir" -t "$phone_secs" \
		-e "d sip:$2@$ip:5060" >"$dir/phone.log" 2>&1 </dev/null) &
	eval "pid_$1=$!"
	pids+=($!)
}

# hang_up NAME...: and waits until they have
hang_up() {
	local name pidv=()
	for name; do eval "pidv+=(\$pid_$name)"; done
	kill -TERM "${pidv[@]}" 2>/dev/null
	ends "${pidv[@]}"
}

# from_now NAME...: what these phones heard before does not count any more
from_now() {
	local name
	for name; do
		(cd "$work/$name" && stat -c '%n %s' dump-*-dec.wav) \
			> "$work/$name/mark" 2>/dev/null
	done
}

# heard NAME TONE: sets $tone_s and $all_s, in how many seconds of what the
# phone heard the tone is, and how many there are, both in tenths
heard() {
	read -r tone_s all_s < <(python3 "$e2e/tone.py" heard "$work/$1" "$2")
	tone_s=${tone_s:-0} all_s=${all_s:-0}
}

heard_enough() { heard "$1" "$2" && [ "$tone_s" -ge 20 ]; }
heard_all() { heard "$1" "$2" && [ "$all_s" -ge 20 ]; }

# hears NAME TONE: waits until it has heard it for two seconds. A phone that
# stutters takes longer, and one that hears nothing never has.
hears() {
	local ok=0
	until_ok heard_enough "$1" "$2" || ok=1
	note "   $1 hears $2 Hz in $tone_s of $all_s tenths of a second"
	return "$ok"
}

# hears_not NAME TONE: of two seconds or more it is in a fifth at most
hears_not() {
	until_ok heard_all "$1" "$2"
	note "   $1 hears $2 Hz in $tone_s of $all_s tenths of a second"
	[ "$all_s" -ge 20 ] && [ $((tone_s * 5)) -le "$all_s" ]
}

# joins_begin TARGET FROM [COMMAND...]: 200 joins a second of $joins_of
# conferences, to there from there, run by that; until joins_end. They call
# again when they are refused.
joins_of=20
joins_begin() {
	local to=$1 from=$2
	shift 2
	"$@" python3 "$e2e/joins.py" "$to" 200 "$joins_of" "$from" \
		>"$work/joins.json" 2>"$work/joins.err" &
	joins=$! joins_ok=0
	pids+=("$joins")
}

# What became of them so far
joins_now() { tail -n 1 "$work/joins.json"; }
joins_count() { joins_now | grep -oP "(?<=\"$1\": )[0-9]+"; }

joins_more() { [ "$(joins_count ok)" -ge "$((joins_ok + 300))" ]; }
# joins_on: waits until 300 more got in
joins_on() {
	joins_ok=$(joins_count ok)
	joins_ok=${joins_ok:-0}
	until_ok joins_more
}

# joins_end: waits for those that are on their way; true if everybody got in
joins_end() {
	kill -TERM "$joins"
	if ! wait "$joins"; then
		cat "$work/joins.err"
		return 1
	fi
	note "    $(joins_now)"
	[ "$(joins_count failed)" = 0 ] &&
		[ "$(joins_count ok)" = "$(joins_count joins)" ]
}

# via ADDRESS: some of them came through that dispatch server
via() { joins_now | grep -q "\"$1:5060\""; }
