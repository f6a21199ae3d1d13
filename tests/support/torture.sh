#!/usr/bin/env bash
#
# torture.sh - every allocation fails, one by one: Lua's, the core's and
# libcurl's, in each scenario of tests/torture. Prints for each what it asked
# for and how many failures were survived; the last line adds them up.
#
#   SCENARIOS="recipe batch" picks some, JOBS (2) is how many run at a time
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

unset LUA_INIT LUA_INIT_5_4 LUA_PATH_5_4 LUA_CPATH_5_4 "${!BITRIX24_@}"
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
eval "$("${MAKE:-make}" -s --no-print-directory test-env)"
export LUA_PATH="$PWD/tests/?.lua;$LUA_PATH" LC_ALL=C.UTF-8
"${MAKE:-make}" --no-print-directory all "$BUILD/tests/lua_torture_test" >/dev/null

out=$BUILD/torture
rm -rf "$out"
mkdir -p "$out"
if [ -z "${SCENARIOS:-}" ]; then
  SCENARIOS=$(ls tests/torture/*.lua | sed 's|.*/||; s|\.lua$||' | grep -v '^common$')
fi
# The longest first.
# shellcheck disable=SC2086 # a list of words
printf '%s\n' loading recipe list_keyset $SCENARIOS | awk -v wanted=" $(echo $SCENARIOS) " \
  'index(wanted, " " $0 " ") && !seen[$0]++' |
  xargs -P "${JOBS:-2}" -I NAME sh -c \
    '"$1" every "$2" >"$3/$2.log" 2>&1; cat "$3/$2.log" | grep -v " passed, "' \
    - "$BUILD/tests/lua_torture_test" NAME "$out" || true

failed=0
for name in $SCENARIOS; do
  if ! tail -n 1 "$out/$name.log" | grep -qx '1 passed, 0 failed'; then
    echo "FAILED $name"
    failed=$((failed + 1))
  fi
done
cat "$out"/*.log | awk -v failed="$failed" '/failures survived/ {
    for (i = 1; i <= NF; i++) if ($i == "failures") n += $(i - 1)
  }
  END { printf "torture: %d failures survived, %d scenarios failed\n", n, failed }'
[ "$failed" = 0 ]
