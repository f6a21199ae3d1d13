#!/usr/bin/env bash
#
# asan.sh - the C units and the specs under AddressSanitizer, UBSan and LSan,
# with a Lua and a lua-cjson that were built the same way (sources.sh): an
# ordinary liblua hides the use of stale states and strings. Lua also checks
# its API here. Everything goes into $BUILD/asan.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

work=$(realpath -m "${BUILD:-build}")/asan
CC=${CC:-cc}
sanitize="-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all"
. tests/support/sources.sh
build_lua "$sanitize"
build_cjson "$sanitize"

export PATH="$work/bin:$PATH" LIMIT=${LIMIT:-600}
# Thread-local storage of libraries that come with dlopen is misread by the
# runtime of gcc 12 on glibc 2.36 ("glibc >=2.19 suspected"): not looked at.
export ASAN_OPTIONS="detect_leaks=1:intercept_tls_get_addr=0:detect_stack_use_after_return=1:strict_string_checks=1:${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS:-}"
export LSAN_OPTIONS="suppressions=$PWD/tests/support/lsan.supp:print_suppressions=0:${LSAN_OPTIONS:-}"
exec "${MAKE:-make}" --no-print-directory BUILD="$work/build" CC="$CC" CFLAGS="$sanitize" \
  LUA="$work/bin/lua5.4" LUA_CFLAGS="-I$work/include" SUITES="unit spec" test
