# Shared by the tests with real phones: a server of its own per test, phones,
# and the count of what was checked. Source it, call e2e_begin, and end with
# e2e_end, which prints "N passed, N failed".

set -u
srcdir=$(cd "${srcdir:-$(dirname "$0")/../..}" && pwd)
builddir=$(cd "${abs_builddir:-${builddir:-.}}" && pwd)
e2e=$srcdir/tests/e2e
passed=0 failed=0 pids=() listen= media=

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
		note "NOT OK: $what"
	fi
}

e2e_begin() {
	work=$(mktemp -d "${TMPDIR:-/tmp}/junctor-e2e-XXXXXX")
	trap e2e_clean EXIT
	trap 'exit 1' INT TERM
}

e2e_clean() {
	local pid
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null
	done
	wait 2>/dev/null
	[ -n "${E2E_KEEP:-}" ] && note "kept $work" || rm -rf "$work"
}

e2e_end() {
	if [ "$failed" != 0 ]; then
		tail -n 50 "$work"/noc/*.log 2>/dev/null
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
	if [ -z "$(timeout 30 head -c 1 "$work/ready" | od -An -c)" ]; then
		cat "$noc/errors.log"
		note "the server did not start"
		exit 1
	fi
}

# noc_stop: ends it; the time it took in ms is in $stop_ms, its status in $rc
noc_stop() {
	local t0
	t0=$(date +%s%N)
	kill -TERM "$nocpid" 2>/dev/null
	wait "$nocpid"
	rc=$?
	stop_ms=$((($(date +%s%N) - t0) / 1000000))
}

junctor() { "$builddir/src/junctor" --dir "$noc" "$@"; }

# until SECONDS COMMAND...: waits until the command succeeds
until_ok() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.2
	done
}

# phone NAME CODEC TONE [SECONDS]: a baresip that says a tone [Hz] and keeps
# what it hears in $work/NAME/*-dec.wav; call it with `dial NAME CONFERENCE`.
phone() {
	local name=$1 codec=$2 tone=$3 secs=${4:-20} dir=$work/$1
	mkdir -p "$dir"
	set -- ${codec//\// }
	python3 "$e2e/tone.py" make "$dir/tone.wav" "$tone" "$secs" \
		"$2" "$3"
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
	snd_path		$dir
	rtp_timeout		0
	CONF
	echo "<sip:$name@$ip>;regint=0;audio_codecs=$codec;answermode=auto" \
		> "$dir/accounts"
	: > "$dir/contacts"
}

# dial NAME CONFERENCE [SECONDS]
dial() {
	local dir=$work/$1
	(cd "$dir" && exec baresip -f "$dir" -t "${3:-20}" \
		-e "d sip:$2@$ip:5060" >"$dir/phone.log" 2>&1 </dev/null) &
	eval "pid_$1=$!"
	pids+=($!)
}

# heard NAME TONE: level of the tone in what the phone heard [dB]; the louder
# half of its seconds counts
heard() {
	python3 "$e2e/tone.py" level "$(heard_file "$1")" "$2"
}

heard_file() {
	ls -S "$work/$1"/dump-*-dec.wav 2>/dev/null | head -n 1
}

hears() {
	local db
	db=$(heard "$1" "$2") || return 1
	note "   $1 hears $2 Hz at $db dB"
	[ "${db%.*}" -gt -45 ]
}

hears_not() {
	local db
	db=$(heard "$1" "$2") || return 1
	note "   $1 hears $2 Hz at $db dB"
	[ "${db%.*}" -lt -60 ]
}
