#!/usr/bin/env bash
# Every check that reads the sources without running them. Needs build/dev and build/release to be configured, since
# clang-tidy compiles as they do. Goes on after a failed check and closes with `N passed, N failed`.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly bin=.venv/bin
passed=0
failed=0

check() {
    local name="$1"
    shift
    if "$@"; then
        printf '%-16s ok\n' "$name"
        passed=$((passed + 1))
    else
        printf '%-16s FAILED: %s\n' "$name" "$*"
        failed=$((failed + 1))
    fi
}

# The files below some folders that git knows or would add, so that nothing generated is read.
sources() { git ls-files -z --cached --others --exclude-standard -- "$@"; }

clang_format() { sources '*.cpp' '*.hpp' | xargs -0 -r "$bin/clang-format" --dry-run -Werror; }

# clang-tidy's counts of what it suppressed in headers of others go to standard error; errors go to standard output.
clang_tidy() {
    local build="$1"
    shift
    sources "$@" | xargs -0 -r -n 1 -P "$(nproc)" "$bin/clang-tidy" --quiet -p "build/$build" \
        --extra-arg=-Wno-unknown-warning-option 2>/dev/null
}

no_shell_errors() { sources '*.sh' .ci/run | xargs -0 -r -n 1 bash -n; }

check clang-format clang_format
check clang-tidy clang_tidy dev 'src/*.cpp'
check clang-tidy-bind clang_tidy release 'python/bind/*.cpp'
check layers "$bin/python" tools/check_layers.py
check import-linter "$bin/lint-imports"
check ruff-format "$bin/ruff" format --check --quiet .
check ruff "$bin/ruff" check --quiet .
check mypy-package "$bin/mypy" -p polyreme
check mypy-programs "$bin/mypy"
check stubs "$bin/stubtest" polyreme._core --ignore-disjoint-bases --allowlist tools/stubtest-allowlist.txt
check shell no_shell_errors

printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
