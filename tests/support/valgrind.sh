#!/usr/bin/env bash
#
# valgrind.sh - the recipe under valgrind: the process that holds the sandbox
# and the one that runs the recipe. Any error or leak ends with status 99.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

eval "$(${MAKE:-make} -s --no-print-directory test-env)"
supp=tests/support/valgrind.supp
check="valgrind -q --leak-check=full --errors-for-leak-kinds=definite,possible \
  --show-leak-kinds=definite,possible --error-exitcode=99 --suppressions=$PWD/$supp"
# shellcheck disable=SC2086 # a command and its options
DEMO_UNDER=$check $check "$LUA" tests/support/demo.lua examples/call_list.lua "$@"
echo "valgrind: clean"
