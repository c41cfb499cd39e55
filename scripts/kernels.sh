# kernels.sh: fetches distributions' kernels, for the scripts that source it.
#
# apt works in a folder of its own, $dir, which is removed at the end: nothing is
# installed, and the machine's sources and lists stay as they are.

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

need() { # program …
	local program
	for program in "$@"; do
		command -v "$program" >/dev/null || { say "missing: $program (Debian: qemu-system-x86, postfix, xz-utils, zstd)"; exit 1; }
	done
}

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir"/apt/{lists,cache/archives}/partial "$dir/fetch"
touch "$dir/apt/status"

mirror=http://deb.debian.org/debian
keys=/usr/share/keyrings/debian-archive-keyring.gpg

# Says whether a suite is there, as apt stops at the first that is not.
try() { # distributor keyring uri suite
	printf 'deb [arch=amd64 signed-by=%s] %s %s main\n' "$2" "$3" "$4" >"$dir/apt/$1.one"
	if apt_in one "$1" update -qq >"$dir/apt/out" 2>&1 && ! grep -qE '^(E|W): .*(404|Failed|not resolve)' "$dir/apt/out"; then
		cat "$dir/apt/$1.one" >>"$dir/apt/$1.list"
	else
		say "$1 $4 cannot be had: $(grep -m1 -E '^(E|W):' "$dir/apt/out" || true)"
	fi
}

apt_in() { # list-suffix distributor command …
	local list=$dir/apt/$2.$1 command=$3
	shift 3
	case $command in update | download) set -- apt-get "$command" "$@" ;; *) set -- apt-cache "$command" "$@" ;; esac
	"$@" -o Dir::State="$dir/apt" -o Dir::State::status="$dir/apt/status" \
		-o Dir::Cache="$dir/apt/cache" -o Dir::Etc::sourcelist="$list" -o Dir::Etc::sourceparts=/dev/null \
		-o Acquire::Languages=none -o Acquire::Retries=2 -o APT::Sandbox::User= \
		-o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o APT::Get::List-Cleanup=false
}

# Prints "debian series package", the newest kernel for virtual machines of each
# series that the suites have.
debian_kernels() {
	apt_in list debian pkgnames linux-image- | grep -E '^linux-image-[0-9]+\.[0-9]+[^ ]*-cloud-amd64$' |
		grep -E '^linux-image-[0-9]+\.[0-9]+\.[0-9]' | sed 's/^/debian /' | newest
}

newest() {
	while read -r from package; do
		series=$(sed -E 's/^linux-image-([0-9]+\.[0-9]+).*/\1/' <<<"$package")
		echo "$from $series $package"
	done | sort -k1,1 -k2,2V -k3,3V | awk '{ last[$1 " " $2] = $0 } END { for (k in last) print last[k] }' | sort -k1,1 -k2,2V
}

# Downloads a kernel into $dir/fetch: the image, and the packages beside it that
# have its modules or, in newer series, the kernel itself.
fetch() { # distributor package
	local release=${2#linux-image-} p
	for p in "$2" "linux-binary-$release" "linux-modules-$release"; do
		if [ -n "$(apt_in list "$1" show "$p" 2>/dev/null)" ]; then
			(cd "$dir/fetch" && apt_in list "$1" download "$p" >/dev/null 2>"$dir/apt/out") || { say "$p cannot be had: $(tail -1 "$dir/apt/out")"; return 1; }
		fi
	done
	for p in "$dir"/fetch/*.deb; do
		dpkg-deb --fsys-tarfile "$p" | tar -x -C "$dir/fetch" --wildcards --no-anchored 'vmlinuz*' 'veth.ko*' 2>/dev/null || true
	done
}
