#!/usr/bin/env bash
# Runs the binding's stress test (tests/python/binding_stress.py) on a free-threaded CPython that is built with
# ThreadSanitizer, as is the module. A data race in either ends it with status 66.
#
#   tools/tsan_python.sh [SCENARIO]...
#
# Needs what `tools/setup.sh freethreaded` installs. Races within CPython itself that its own developers know of are left
# out, by their list; races in uninstrumented parts of the C++ library by tools/tsan-python-suppressions.txt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tools/freethreaded.sh --tsan
tools/build.sh tsan-python --target polyreme_python

readonly interpreter=build/python3.13t-tsan
readonly package=build/tsan-python/package
readonly suppressions=build/tsan-python/suppressions.txt

# The package is its Python files beside the module of this build.
rm -rf "$package"
mkdir -p "$package"
cp -r python/polyreme "$package/"
cp build/tsan-python/python/_core.*.so "$package/polyreme/"
cat "$interpreter/Tools/tsan/suppressions_free_threading.txt" tools/tsan-python-suppressions.txt >"$suppressions"

export PYTHONPATH="$package" PYTHONDONTWRITEBYTECODE=1
export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:suppressions=$suppressions ${TSAN_OPTIONS:-}"
# Address-space randomisation with many bits keeps ThreadSanitizer from mapping its shadow memory.
run=()
if setarch --addr-no-randomize true 2>/dev/null; then run=(setarch --addr-no-randomize); fi
exec "${run[@]}" "$interpreter/python" tests/python/binding_stress.py "$@"
