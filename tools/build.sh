#!/usr/bin/env bash
# Configures a preset of CMakePresets.json if needed and builds it into build/<preset>.
#
#   tools/build.sh PRESET [cmake --build option]...
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly preset="${1:?usage: tools/build.sh PRESET}"
shift

# build/release is also the build folder of the Python package, which configures it.
if [[ ! -f "build/$preset/build.ninja" ]]; then
    printf '==> Configuring build/%s\n' "$preset"
    log="build/$preset-configure.log"
    mkdir -p build
    if ! cmake --preset "$preset" &>"$log"; then
        cat "$log" >&2
        exit 1
    fi
fi
printf '==> Building build/%s\n' "$preset"
cmake --build "build/$preset" "$@"
