#!/usr/bin/env bash
#
# tsan.sh - the sandbox's threads, and states in threads, under
# ThreadSanitizer: the modules, Lua and lua-cjson are instrumented
# (sources.sh), libmicrohttpd, GnuTLS and libcurl are the system's, and what is
# misread of them is in tsan.supp. Everything goes into $BUILD/tsan.
#
#   FILTER=word keeps the units and specs with that word in their name
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

work=$(realpath -m "${BUILD:-build}")/tsan
CC=${CC:-cc}
sanitize="-O1 -g -fno-omit-frame-pointer -fsanitize=thread"
. tests/support/sources.sh
build_lua "$sanitize" liblua.a
build_cjson "$sanitize"

# What has threads: units that are hosts of Lua, and the specs in which the
# sandbox does more than answer (all of them: FILTER=_).
units=(lua_threads_test)
specs=(sandbox_spec sandbox_faults_spec sandbox_router_spec call_spec batch_http_spec lists_http_spec
  download_spec moved_spec connect_spec)
[ "${FILTER:-}" != _ ] || specs=($(ls tests/spec/*_spec.lua | sed 's|.*/||; s|\.lua$||'))

unset LUA_INIT LUA_INIT_5_4 LUA_PATH_5_4 LUA_CPATH_5_4 "${!BITRIX24_@}"
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
export PATH="$work/bin:$PATH" LC_ALL=C.UTF-8
make_here() {
  "${MAKE:-make}" --no-print-directory BUILD="$work/build" CC="$CC" CFLAGS="$sanitize" \
    LUA="$work/bin/lua5.4" LUA_CFLAGS="-I$work/include" \
    LUA_LIBS="-Wl,--whole-archive $work/lib/liblua.a -Wl,--no-whole-archive -Wl,--wrap=dlclose -ldl" "$@"
}
eval "$(make_here -s test-env)"
make_here all "${units[@]/#/$work/build/tests/}" >"$work/build.log" 2>&1 || {
  tail -n 20 "$work/build.log"
  exit 1
}
export LUA_PATH="$PWD/tests/?.lua;$LUA_PATH"
export TSAN_OPTIONS="suppressions=$PWD/tests/support/tsan.supp:history_size=4:second_deadlock_stack=1:${TSAN_OPTIONS:-}"

failed=0 passed=0
check() { # name, command
  local name=$1 status=0
  shift
  case $name in *"${FILTER:-}"*) ;; *) return ;; esac
  timeout -k 5 "${LIMIT:-300}" "$@" >"$work/$name.log" 2>&1 </dev/null || status=$?
  if [ "$status" = 0 ] && ! grep -q 'WARNING: ThreadSanitizer' "$work/$name.log"; then
    echo "ok     $name"
    passed=$((passed + 1))
  else
    echo "FAILED $name (status $status)"
    failed=$((failed + 1))
    grep -A 40 -m 1 'WARNING: ThreadSanitizer' "$work/$name.log" || tail -n 20 "$work/$name.log"
  fi
}
for name in "${units[@]}"; do check "$name" "$work/build/tests/$name"; done
for name in "${specs[@]}"; do
  check "$name" "$work/bin/lua5.4" tests/support/busted.lua --output=plainTerminal "tests/spec/$name.lua"
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
