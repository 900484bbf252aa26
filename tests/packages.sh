# Sourced by tests/run, tests/quickstart and .ci/run: installs what is missing from Debian's packages.

# need_packages KIND...: asks apt-get only when something is missing.
need_packages()
{
	local list missing="" package root=""
	list=$(dirname "${BASH_SOURCE[0]}")/packages
	for package in $(awk -v kinds=" $* " '$1 != "#" && index(kinds, " " $1 " ") { print $2 }' "$list"); do
		dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
			missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	if ! command -v apt-get >/dev/null; then
		echo "$0: no apt-get here: install what Debian calls:$missing" >&2
		return 1
	fi
	[ "$(id -u)" = 0 ] || root=sudo
	echo "== installing:$missing"
	$root apt-get update -qq
	DEBIAN_FRONTEND=noninteractive $root apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends $missing >/dev/null
}

# build_tree SOURCE BUILD [CMAKE OPTION...]
build_tree()
{
	local source=$1 build=$2
	shift 2
	mkdir -p "$(dirname "$build")"
	cmake -S "$source" -B "$build" -G Ninja "$@" >"$build.log" 2>&1 || { cat "$build.log"; return 1; }
	cmake --build "$build" -j "$(nproc)" >"$build.log" 2>&1 || { cat "$build.log"; return 1; }
}
