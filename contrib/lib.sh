# Shared by contrib/up and contrib/check: packages and the build.
# Expects $top, the source folder.

say() { printf '%s\n' "$*" >&2; }
die() { say "${0##*/}: $*"; exit 1; }

# Run a command as root: directly, or by sudo.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		command -v sudo >/dev/null ||
			die "run as root, or install sudo: needed for $*"
		sudo "$@"
	fi
}

# nats_unit VERB...: Debian would start a nats-server that is open to everybody
# as soon as the package is there; those of contrib/up are private.
nats_unit() {
	[ ! -d /run/systemd/system ] ||
		as_root systemctl "$@" nats-server.service >&2
}

# packages KIND...: install those of contrib/packages that are missing.
packages() {
	local want missing kind
	want=
	for kind; do
		want="$want $(awk -v k="$kind" '$1 == k { $1 = ""; print }' \
			"$top/contrib/packages" | tr '\n' ' ')"
	done
	# shellcheck disable=SC2086
	missing=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $want \
		2>/dev/null | awk '$2 == "installed" { print $1 }' |
		sort -u | comm -23 <(printf '%s\n' $want | sort -u) -)
	[ -n "$missing" ] || return 0
	say "installing packages:" $missing
	as_root apt-get update -q >&2 || die "apt-get update failed"
	case " $(echo $missing) " in
	*" nats-server "*) nats_unit mask --runtime ;;
	esac
	# shellcheck disable=SC2086
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
		--no-install-recommends $missing >&2 ||
		die "apt-get install failed"
	case " $(echo $missing) " in
	*" nats-server "*)
		nats_unit unmask --runtime
		nats_unit disable ;;
	esac
}

# build DIR [CONFIGURE-OPTION...]: make everything in DIR; says nothing when
# there is nothing to do.
build() {
	local dir=$1 log telling lock
	shift
	log=$dir/build.log
	[[ $top$dir != *[[:space:]]* ]] ||
		die "autoconf cannot build in '$top': move it to a path" \
			"without blanks"
	mkdir -p "$dir" && exec {lock}>"$dir/build.lock" ||
		die "cannot write to $dir"
	# One at a time: several may be started side by side the first time.
	flock -n "$lock" || {
		say "waiting for another build in $dir"
		flock "$lock"
	}
	# What each step makes last: one that was interrupted is made again.
	if [ ! -f "$top/Makefile.in" ] ||
	   [ "$top/configure.ac" -nt "$top/configure" ]; then
		say "making configure"
		(cd "$top" && autoreconf -fi) >"$log" 2>&1 ||
			{ cat "$log" >&2; die "autoreconf failed"; }
	fi
	if [ ! -x "$dir/libtool" ]; then
		say "configuring in $dir"
		(cd "$dir" && "$top/configure" -q "$@") >"$log" 2>&1 ||
			{ cat "$log" >&2; die "configure failed"; }
	fi
	(sleep 1; say "building in $dir") {lock}>&- &
	telling=$!
	make -C "$dir" -s -j"$(nproc)" all >"$log" 2>&1 ||
		{ kill "$telling" 2>/dev/null
		  tail -n 40 "$log" >&2
		  die "build failed, see $log"; }
	kill "$telling" 2>/dev/null
	wait "$telling" 2>/dev/null
	exec {lock}>&-
}
