#!/usr/bin/env bash
# Makes a CPython 3.13 without the global interpreter lock from Debian's source package, unless it is there already.
#
#   tools/freethreaded.sh          an ordinary one with pip, installed in build/python3.13t
#   tools/freethreaded.sh --tsan   one with ThreadSanitizer (clang 19), run from its sources' folder as
#                                  build/python3.13t-tsan/python
#
# The sources come from the archive that this machine's own apt uses, in the release after Debian 12, through a private
# apt configuration: the system's stays as it is. apt checks their hashes against the signed index. Of the package only
# upstream's archive is used, not Debian's changes to it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/apt_mirror.sh

readonly release=trixie
readonly package=python3.13
readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg
readonly sources="$PWD/build/$package-source"

say() { printf '==> %s\n' "$*"; }
fail() {
    printf 'freethreaded: %s\n' "$*" >&2
    exit 1
}

case "${1:-}" in
    "") kind=ordinary target="$PWD/build/python3.13t" ;;
    --tsan) kind=tsan target="$PWD/build/python3.13t-tsan" ;;
    *) fail "unknown option '$1'; use --tsan or none" ;;
esac
readonly kind target log="$target.log"
# Written last, so that a build that was broken off is not taken for one.
readonly finished="$target/.finished"

# Runs a command, of which only a failure is worth showing.
quietly() {
    if ! "$@" >>"$log" 2>&1; then
        tail -n 30 "$log" >&2
        fail "'$1' failed; the whole output is in $log"
    fi
}

# Puts the name of upstream's archive into `archive`.
download() {
    archive="$(compgen -G "$sources/*.orig.tar.xz" | tail -n 1 || true)"
    [[ -z "$archive" ]] || return 0
    local mirror state="$sources/apt"
    mirror="$(apt_mirror)"
    [[ -n "$mirror" ]] || fail "found no Debian archive in /etc/apt/sources.list and sources.list.d"
    [[ -f "$keyring" ]] || fail "$keyring is missing; it is in the package debian-archive-keyring"
    say "Downloading the sources of $package"
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
    printf 'deb-src [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$release" >"$state/sources.list"
    local -a private=(-o "Dir::Etc::SourceList=$state/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$state/lists" -o "Dir::Cache=$state/cache" -o "APT::Sandbox::User=$(id -un)")
    quietly apt-get "${private[@]}" update
    (cd "$sources" && quietly apt-get "${private[@]}" source --download-only "$package")
    archive="$(compgen -G "$sources/*.orig.tar.xz" | tail -n 1)" || fail "$package came without upstream's archive"
}

unpack() {
    local into="$1"
    rm -rf "$into"
    mkdir -p "$into"
    tar --extract --xz --file "$archive" --directory "$into" --strip-components 1
}

# Relative paths and a cache that looks at no folder's name make one build's objects good for the next one's.
export CCACHE_NOHASHDIR=true
compiler() {
    if command -v ccache >/dev/null; then printf 'ccache %s' "$1"; else printf '%s' "$1"; fi
}

build_ordinary() {
    local tree="$sources/ordinary"
    unpack "$tree"
    (
        cd "$tree"
        quietly ./configure --prefix="$target" --disable-gil --with-ensurepip=install --disable-test-modules \
            CC="$(compiler gcc)" CXX="$(compiler g++)" OPT="-DNDEBUG -fwrapv -O3"
        quietly make -j"$(nproc)"
        rm -rf "$target"
        # What is compiled ahead for -O and -OO nobody runs here.
        quietly make install COMPILEALL_OPTS="-j0 -x ."
    )
    rm -rf "$tree"
}

# In place: the interpreter finds its library beside itself.
build_tsan() {
    unpack "$target"
    (
        cd "$target"
        quietly ./configure --disable-gil --with-thread-sanitizer --disable-test-modules --without-ensurepip \
            CC="$(compiler clang-19)" CXX="$(compiler clang++-19)" OPT="-DNDEBUG -fwrapv -O1 -gline-tables-only"
        quietly make -j"$(nproc)"
    )
}

[[ ! -f "$finished" ]] || exit 0
mkdir -p "$sources"
: >"$log"
started=$SECONDS
download
say "Building a free-threaded CPython in $target ($kind; details in $log)"
"build_$kind"
touch "$finished"
say "Built it in $((SECONDS - started)) s"
