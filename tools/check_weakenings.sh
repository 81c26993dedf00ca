#!/usr/bin/env bash
# Shows that the model tests see what they are for. Each patch in tests/model/weakenings takes one ordering or one look
# away from the production code; the model test that its file name names before the first dot has to fail with it.
#
#   tools/check_weakenings.sh [PATCH]...      all patches by default
#
# Works on a copy of the sources in build/weakenings and closes with `N passed, N failed`.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly work="$PWD/build/weakenings"
readonly tree="$work/tree"
readonly limit_s=600

shopt -s nullglob
patches=("$@")
((${#patches[@]} > 0)) || patches=(tests/model/weakenings/*.patch)
if ((${#patches[@]} == 0)); then
    printf 'there is no patch in tests/model/weakenings\n' >&2
    exit 1
fi

# tar keeps the times of the files, so that the build folder of the last run stays good.
copy_sources() {
    rm -rf "$tree"
    mkdir -p "$tree"
    git ls-files -z --cached --others --exclude-standard -- CMakeLists.txt CMakePresets.json cmake include src tests |
        tar --create --null --files-from=- --file=- | tar --extract --directory="$tree" --file=-
}

# Without a ceiling git would take the patch for one of the repository around the copy and skip its files.
apply() { (cd "$tree" && GIT_CEILING_DIRECTORIES="$work" git apply "$@"); }

# Prints why a patch is not caught and fails, or prints nothing.
expect_red() {
    local patch="$1" model log status
    model="$(basename "$patch")"
    model="${model%%.*}"
    log="$work/$(basename "$patch" .patch).log"
    if [[ ! -f "tests/model/$model.cpp" ]]; then
        printf 'there is no tests/model/%s.cpp' "$model"
        return 1
    fi
    if ! apply "$PWD/$patch" >"$log" 2>&1; then
        printf 'the patch no longer applies; see %s' "$log"
        return 1
    fi
    if ! cmake --build "$work/build" --target "polyreme_model_$model" >"$log" 2>&1; then
        apply --reverse "$PWD/$patch"
        printf 'it does not compile; see %s' "$log"
        return 1
    fi
    timeout "$limit_s" "$work/build/tests/polyreme_model_$model" >"$log" 2>&1
    status=$?
    apply --reverse "$PWD/$patch"
    case "$status" in
        0) printf 'the model still passes' ;;
        124) printf 'the model found nothing within %s s' "$limit_s" ;;
        *) return 0 ;;
    esac
    return 1
}

copy_sources
cmake -S "$tree" --preset model -B "$work/build" >"$work/configure.log" 2>&1 || {
    cat "$work/configure.log" >&2
    exit 1
}

passed=0
failed=0
for patch in "${patches[@]}"; do
    if reason="$(expect_red "$patch")"; then
        printf '%-60s red, as it has to be\n' "$(basename "$patch")"
        passed=$((passed + 1))
    else
        printf '%-60s NOT CAUGHT: %s\n' "$(basename "$patch")" "$reason"
        failed=$((failed + 1))
    fi
done
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
