# Sourced by the scripts of this folder. Installs what is missing, builds, and
# starts what tests and demonstrations need. Nothing here asks a question.

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# One set of flags everywhere: another one rebuilds SQLite's C code.
tags=x11,sqlite_fts5,migrated_fynedo
go_version=1.26
go_exact=1.26.8

say() { printf '%s\n' "$*" >&2; }

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@" || { say "this needs root: $*"; exit 1; }; fi
}

# need PACKAGE... installs Debian packages that are missing.
need() {
	local missing=()
	for p in "$@"; do
		dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
	done
	[ ${#missing[@]} -eq 0 ] && return 0
	say "installing: ${missing[*]}"
	as_root apt-get update -qq
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

find_go() {
	for d in "$(command -v go || true)" /usr/local/go/bin/go /usr/lib/go-$go_version/bin/go; do
		[ -n "$d" ] && [ -x "$d" ] && { PATH=$(dirname "$d"):$PATH; export PATH; return 0; }
	done
	return 1
}

# Debian 12's own Go is old, but it can fetch the toolchain: that is a module
# like any other, checked against the checksum database.
ensure_go() {
	find_go || { need golang-go; find_go; }
	export GOFLAGS="${GOFLAGS:-} -buildvcs=false"
	case $(go version) in *"go$go_version."*) return 0 ;; esac
	local platform dir
	platform=$(go env GOOS)-$(go env GOARCH)
	say "fetching Go $go_exact"
	dir=$(mktemp -d)
	printf 'module fetch\n' >"$dir/go.mod"
	(cd "$dir" && GOFLAGS= go mod download "golang.org/toolchain@v0.0.1-go$go_exact.$platform")
	rm -r "$dir"
	dir=$(go env GOMODCACHE)/golang.org/toolchain@v0.0.1-go$go_exact.$platform
	# Modules carry no permission to execute.
	chmod -R u+w "$dir"
	chmod +x "$dir"/bin/* "$dir"/pkg/tool/*/*
	export GOROOT=$dir GOTOOLCHAIN=local PATH=$dir/bin:$PATH
	go version | grep -q "go$go_version" || { say "Go $go_exact did not come"; exit 1; }
}

run_packages="ffmpeg espeak-ng xvfb xauth libgl1 libegl1 libgl1-mesa-dri libx11-6 libxrandr2 libxcursor1 libxinerama1 libxi6 libxxf86vm1 libasound2 jq"
build_packages="libgl-dev libx11-dev libxcursor-dev libxrandr-dev libxinerama-dev libxi-dev libxxf86vm-dev libicu-dev gcc libc6-dev pkg-config git ca-certificates libasound2-dev python3-fonttools fonts-noto-core fonts-noto-cjk forensics-samples-files"
test_packages="curl openssl xdotool x11-xserver-utils chromium e2fsprogs mount"

# setup installs what is needed to build and run, and makes fonts.
setup() {
	# shellcheck disable=SC2086
	need $run_packages $build_packages
	ensure_go
	[ -e assets/fonts/NotoSansCJKsc-Regular.otf ] || say "taking the fonts from Debian's packages"
	/usr/bin/python3 build/tools/fonts.py assets/fonts
	[ -e assets/uifonts/CotMocUI-Bold.ttf ] || say "merging the fonts of the touch screens (half a minute)"
	/usr/bin/python3 build/tools/uifont.py assets/uifonts
}

build_all() {
	mkdir -p bin .cache
	local stamp
	stamp=$(git log -1 --format=%ct 2>/dev/null || echo 1793491200)
	say "building (the first time takes some minutes)"
	CGO_ENABLED=1 go build -tags "$tags" -ldflags "-X cotmoc/device.BuildUnix=$stamp -X cotmoc/internal/version.Number=$(cat VERSION)" -o bin/ ./cmd/...
}

build_sample() {
	[ -e .cache/sample/content.json ] && [ .cache/sample/content.json -nt assets/sample/udhr.json ] &&
		[ -z "$(find build/tools/sample assets/sample -newer .cache/sample/content.json -print -quit)" ] && return 0
	say "making the sample content"
	mkdir -p .cache/sample
	go run -tags "$tags" ./build/tools/sample assets/sample .cache/sample
}

# display WIDTHxHEIGHT makes sure that there is an X display; it starts a
# virtual one if there is none, and ends it with the script.
display() {
	[ -n "${DISPLAY:-}" ] && [ "${2:-}" != private ] && return 0
	local n
	# An explicit number makes the server take its lock; with -displayfd alone
	# two that start together can get the same.
	exec {xfd}<> <(:)
	Xvfb ":$((RANDOM % 30000 + 1000))" -displayfd "$xfd" -screen 0 "${1}x24" -nolisten tcp -noreset >/dev/null 2>&1 &
	xvfb_pid=$!
	read -r -t 20 -u "$xfd" n || { say "the virtual display did not start"; exit 1; }
	export DISPLAY=":$n"
	trap 'kill "$xvfb_pid" 2>/dev/null || true' EXIT
}
