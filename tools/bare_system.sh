#!/usr/bin/env bash
# Shows that two words are enough on a bare system: makes a minimal Debian 12 in a folder, adds make and git, copies a
# clone of the committed sources in and runs a make target there.
#
#   tools/bare_system.sh [FOLDER] [TARGET]     FOLDER: new, default a temporary one; TARGET: default test
#
# Needs root and debootstrap. Packages come from wherever this machine's own apt and pip are set up to get them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/apt_mirror.sh

fail() {
    printf 'bare_system: %s\n' "$*" >&2
    exit 1
}

[[ "$(id -u)" == 0 ]] || fail "needs root, for debootstrap and chroot"
command -v debootstrap >/dev/null || fail "needs debootstrap; install it with: apt-get install debootstrap"

# Everything runs in a mount namespace of its own, so that no mount outlives this script.
if [[ -z "${POLYREME_BARE_SYSTEM_INSIDE:-}" ]]; then
    POLYREME_BARE_SYSTEM_INSIDE=1 exec unshare --mount --propagation private "$PWD/tools/bare_system.sh" "$@"
fi

readonly target="${2:-test}"
# Not where Debian keeps its own bundle, which the package ca-certificates writes anew.
readonly certificates=/etc/ssl/machine-certificates.crt
if [[ -n "${1:-}" ]]; then
    system="$1"
    [[ ! -e "$system" ]] || fail "$system is there already; name a new folder"
    mkdir -p "$system"
else
    system="$(mktemp -d -t bare-system.XXXXXX)"
    trap 'umount -q "$system/proc" "$system/dev/shm" "$system/dev/pts" || true; rm -rf --one-file-system "$system"' EXIT
fi
# mktemp keeps others out, but apt fetches as a user of its own.
chmod 755 "$system"
readonly system

copy_in() {
    local path
    for path in "$@"; do
        if [[ -e "$path" ]]; then
            mkdir -p "$system$(dirname "$path")"
            cp -a --no-target-directory --dereference "$path" "$system$path"
        fi
    done
}

# Settings of the network and the package sources, and nothing else: the system has to stay bare.
copy_network_settings() {
    local file
    copy_in /etc/resolv.conf /etc/hosts /etc/pip.conf "${PIP_CONFIG_FILE:-}" "${PIP_FIND_LINKS:-}" \
        /etc/apt/auth.conf /etc/apt/auth.conf.d
    local bundle="${PIP_CERT:-${SSL_CERT_FILE:-}}"
    if [[ -f "$bundle" ]]; then
        mkdir -p "$system$(dirname "$certificates")"
        cp "$bundle" "$system$certificates"
    fi
    rm -f "$system/etc/apt/sources.list"
    copy_in /etc/apt/sources.list
    for file in /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
        if grep -qsE '/debian' "$file"; then copy_in "$file"; fi
    done
    for file in /etc/apt/apt.conf /etc/apt/apt.conf.d/*; do
        if grep -qsE '^ *Acquire' "$file"; then copy_in "$file"; fi
    done
}

# Runs a command in the system with the variables of this machine that say how to reach the package sources, and those
# that choose the kernels of OpenBLAS.
inside() {
    local -a kept=()
    local name
    for name in $(compgen -e | grep -E '^(PIP_|OPENBLAS_|(https?|no|all)_proxy$|(HTTPS?|NO|ALL)_PROXY$)'); do
        kept+=("$name=${!name}")
    done
    if [[ -f "$system$certificates" ]]; then
        kept+=("PIP_CERT=$certificates" "SSL_CERT_FILE=$certificates")
    fi
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "${kept[@]}" chroot "$system" "$@"
}

mirror="$(apt_mirror)"
[[ -n "$mirror" ]] || fail "found no Debian archive in /etc/apt/sources.list and sources.list.d"

printf '==> A minimal Debian 12 in %s\n' "$system"
debootstrap --variant=minbase bookworm "$system" "$mirror" >"$system.log" 2>&1 || {
    tail -n 20 "$system.log" >&2
    fail "debootstrap did not finish; its output is in $system.log"
}
rm -f "$system.log"
mount -t proc proc "$system/proc"
mount -t tmpfs tmpfs "$system/dev/shm" 2>/dev/null || true
mount -t devpts devpts "$system/dev/pts" -o newinstance,ptmxmode=0666 2>/dev/null &&
    ln -sf pts/ptmx "$system/dev/ptmx"
copy_network_settings
inside apt-get update -qq
inside apt-get install -y -qq --no-install-recommends make git >/dev/null

printf '==> make %s in a clone of %s\n' "$target" "$(git rev-parse --short HEAD)"
git clone --quiet --no-hardlinks . "$system/root/polyreme"
started=$SECONDS
status=0
inside make -C /root/polyreme "$target" || status=$?
printf '==> make %s on a bare system: status %d after %d min %d s\n' "$target" "$status" \
    $(((SECONDS - started) / 60)) $(((SECONDS - started) % 60))
exit "$status"
