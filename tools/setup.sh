#!/usr/bin/env bash
# Makes everything that the project's commands need: Debian packages, .venv and the polyreme package in it.
#
#   tools/setup.sh                what `make test` and `make demo` need
#   tools/setup.sh dev            that, and what linting, benchmarks and the heavy test legs need
#   tools/setup.sh freethreaded   a free-threaded CPython, and an environment of its own in .venv-3.13t
#
# It changes nothing and takes no network when nothing is missing. PYTHON chooses the interpreter of .venv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly kind="${1:-base}"
if [[ "$kind" == freethreaded ]]; then
    python=build/python3.13t/bin/python3
    venv=.venv-3.13t
    requirements=requirements-freethreaded
    settings=(build-dir=build/release-3.13t)
else
    python="${PYTHON:-/usr/bin/python3}"
    venv=.venv
    requirements=requirements
    # One Release build serves the Python package, the examples and the benchmarks.
    settings=(build-dir=build/release cmake.define.POLYREME_BENCH=ON cmake.define.POLYREME_EXAMPLES=ON)
fi
settings+=(cmake.define.POLYREME_WERROR=ON)
readonly python venv requirements settings
readonly stamps="$venv/.polyreme"

say() { printf '==> %s\n' "$*"; }
fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# The packages of a list file: its lines without comments.
listed() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$@"; }

missing_packages() {
    local package
    for package in $(listed "$@"); do
        if [[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" != installed ]]; then
            printf '%s ' "$package"
        fi
    done
}

debian_packages() {
    if ! command -v dpkg-query >/dev/null; then
        say "Not a Debian system: make sure that it has what these name: $(listed "$@" | tr '\n' ' ')"
        return
    fi
    local missing
    missing="$(missing_packages "$@")"
    [[ -n "$missing" ]] || return 0

    local -a install=(apt-get install -y --no-install-recommends)
    if [[ "$(id -u)" != 0 ]]; then
        fail "these Debian packages are missing; install them with
    sudo ${install[*]} $missing
and run make again."
    fi
    say "Installing Debian packages: $missing"
    mkdir -p build
    export DEBIAN_FRONTEND=noninteractive
    # Package lists that are missing or out of date show as a failed install, so only then are they fetched.
    # shellcheck disable=SC2086
    if ! "${install[@]}" $missing &>build/apt.log; then
        apt-get update -qq
        if ! "${install[@]}" $missing &>build/apt.log; then
            tail -n 20 build/apt.log >&2
            fail "apt-get could not install them; the whole output is in build/apt.log"
        fi
    fi
}

# Runs a command when the text on standard input is not what it was at the last success under this name.
when_changed() {
    local name="$1" stamp="$stamps/$1" now
    shift
    now="$(cat)"
    if [[ ! -f "$stamp" || "$(<"$stamp")" != "$now" ]]; then
        "$@"
        mkdir -p "$stamps"
        printf '%s\n' "$now" >"$stamp"
    fi
}

make_venv() {
    say "Making $venv with $python"
    rm -rf "$venv"
    "$python" -m venv "$venv"
}

install_requirements() {
    say "Installing PyPI packages of $1"
    # Some packages have no wheel for a free-threaded interpreter, and building them here would take for ever.
    local -a wheels_only=()
    [[ "$kind" != freethreaded ]] || wheels_only=(--only-binary :all:)
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "${wheels_only[@]}" --requirement "$1"
}

install_package() {
    local log=build/setup.log
    say "Building and installing the polyreme package (details in $log)"
    mkdir -p build
    # Of all that pip says, the build's own progress lines are what a person wants to see.
    if ! "$venv/bin/python" -m pip install --verbose --disable-pip-version-check --no-index --no-deps \
        --no-build-isolation --force-reinstall "${settings[@]/#/--config-settings=}" . 2>&1 |
        tee "$log" | sed -u -n 's/^ *\(\[[0-9]*\/[0-9]*\] [BL].*\)/    \1/p'; then
        tail -n 40 "$log" >&2
        fail "the package does not build; the whole output is in $log"
    fi
}

package_sources() {
    find CMakeLists.txt cmake include pyproject.toml python src -type f \
        -not -path '*/__pycache__/*' -print0 | sort -z | xargs -0 sha256sum
}

case "$kind" in
    base) debian_packages tools/debian-packages.txt ;;
    dev) debian_packages tools/debian-packages.txt tools/debian-packages-ci.txt ;;
    freethreaded)
        debian_packages tools/debian-packages.txt tools/debian-packages-ci.txt
        tools/freethreaded.sh
        ;;
    *) fail "unknown kind '$kind'; use 'base', 'dev' or 'freethreaded'" ;;
esac

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$python is not Python 3.11 or newer; name another with make PYTHON=/path/to/python3"
"$python" --version 2>&1 | when_changed python make_venv
when_changed requirements install_requirements "tools/$requirements.txt" <"tools/$requirements.txt"
if [[ "$kind" == dev ]]; then
    for list in lint bench; do
        when_changed "requirements-$list" install_requirements "tools/requirements-$list.txt" \
            <"tools/requirements-$list.txt"
    done
fi
package_sources | when_changed package install_package
