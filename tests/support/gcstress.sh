#!/usr/bin/env bash
#
# gcstress.sh - a collector that never rests. First the specs, with a young
# collection every GCSTRESS (200) instructions of a test and a full one every
# fifty of them. Then the scenarios of tests/torture under a Lua (sources.sh)
# that collects everything wherever it may collect, moves its stack whenever
# it may move it, and checks its API and itself (HARDMEMTESTS, HARDSTACKTESTS,
# LUA_USE_APICHECK, LUAI_ASSERT). Everything goes into $BUILD/gcstress.
#
#   FILTER=word keeps the specs and scenarios with that word in their name
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

unset LUA_INIT LUA_INIT_5_4 LUA_PATH_5_4 LUA_CPATH_5_4 "${!BITRIX24_@}"
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
eval "$("${MAKE:-make}" -s --no-print-directory test-env)"
export LUA_PATH="$PWD/tests/?.lua;$LUA_PATH" LC_ALL=C.UTF-8
work=$BUILD/gcstress
CC=${CC:-cc}
mkdir -p "$work/log" "$work/lib" "$work/files"

# shellcheck disable=SC2086 # a list of flags
$CC -std=c11 -O2 -g -Wall -Wextra -Werror -fPIC -shared $LUA_C_FLAGS \
  -o "$work/lib/gcstress.so" tests/support/gcstress.c

# ---- specs -----------------------------------------------------------------

# Left out: what counts collections or memory itself, what runs other programs
# for the most part, what moves a hundred thousand records, and hosts' loops:
# where the script is slow, cqueues resumes a coroutine that a test has closed.
skip=" gc_spec bulk_spec examples_spec readme_spec fuzz_spec loop_spec "
names=()
for file in tests/spec/*_spec.lua; do
  name=${file##*/}
  name=${name%.lua}
  case $name in *"${FILTER:-}"*) ;; *) continue ;; esac
  case $skip in *" $name "*) ;; *) names+=("$name") ;; esac
done
export GCSTRESS=${GCSTRESS:-200} GCMODE=${GCMODE:-generational}
export LUA work
one() { # name
  local log=$work/log/$1.log status=0
  LUA_CPATH="$work/lib/?.so;$LUA_CPATH" timeout -k 5 "${LIMIT:-300}" "$LUA" tests/support/busted.lua \
    --output=plainTerminal --helper=tests/support/gcstress_helper.lua "tests/spec/$1.lua" \
    >"$log" 2>&1 </dev/null || status=$?
  if [ "$status" = 0 ]; then
    printf 'ok     %-28s %s\n' "$1" "$(grep -h ' collections$' "$log" | tail -n 1)"
  else
    printf 'FAILED %-28s status %d\n' "$1" "$status"
    grep -A 12 -E '^(Failure|Error) ' "$log" | head -n 40 || true
  fi
}
export -f one
: >"$work/specs"
[ ${#names[@]} = 0 ] || printf '%s\n' "${names[@]}" |
  xargs -P "${JOBS:-2}" -I NAME bash -c 'one NAME' | tee "$work/specs"
passed=$(grep -c '^ok ' "$work/specs" || true)
failed=$(grep -c '^FAILED ' "$work/specs" || true)

# ---- scenarios ---------------------------------------------------------------

hard="-O2 -g -DHARDMEMTESTS -DHARDSTACKTESTS -DLUAI_ASSERT"
. tests/support/sources.sh
build_lua "$hard"
scenarios=()
for file in tests/torture/*.lua; do
  name=${file##*/}
  name=${name%.lua}
  [ "$name" = common ] || case $name in *"${FILTER:-}"*) scenarios+=("$name") ;; esac
done
if [ ${#scenarios[@]} -gt 0 ]; then
  "$LUA" tests/support/gcstress.lua "$work/bin/lua5.4" "$work/files" "${scenarios[@]}" 2>&1 | tee "$work/scenarios" || true
  passed=$((passed + $(grep -c '^ok ' "$work/scenarios" || true)))
  failed=$((failed + $(grep -c '^FAILED ' "$work/scenarios" || true)))
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
