#!/usr/bin/env bash
#
# fuzz.sh - the targets of tests/fuzz under libFuzzer, ASan, UBSan and LSan,
# two at a time, for FUZZ_TIME (60) seconds each; TARGET=name runs one. Needs
# clang with its runtime (Debian: clang, libclang-rt-14-dev).
#
#   tests/support/fuzz.sh            what was found stays in $BUILD/fuzz/found
#   tests/support/fuzz.sh --merge    keeps what reaches something new of that
#                                    in tests/fuzz/corpus, which the tests replay
#
# A target that breaks is reported with the input that did it; give that a
# name and put it into the corpus once it is mended.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

work=$(realpath -m "${BUILD:-build}")/fuzz
corpus=$PWD/tests/fuzz/corpus
FUZZ_TIME=${FUZZ_TIME:-60}
JOBS=${JOBS:-2}
FUZZ_CC=${FUZZ_CC:-clang}
# A corpus stays small: so many files for a target.
FILES_MAX=120
sanitize="address,undefined"
flags="-O2 -g -fno-omit-frame-pointer -fno-sanitize-recover=all"

unset LUA_INIT LUA_INIT_5_4 LUA_PATH_5_4 LUA_CPATH LUA_CPATH_5_4 "${!BITRIX24_@}"
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
export LC_ALL=C.UTF-8
export LUA_PATH="$PWD/tests/?.lua;$PWD/lua/?.lua;$PWD/lua/?/init.lua;;"
export ASAN_OPTIONS="strict_string_checks=1:${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS:-}"
export LSAN_OPTIONS="suppressions=$PWD/tests/support/lsan.supp:print_suppressions=0:${LSAN_OPTIONS:-}"

# ---- one target, in a process of its own: fuzz.sh --run NAME ------------------

# The longest input: what is longer is more of the same, and slower.
longest() { # target
  case $1 in
    names) echo 64 ;;
    page|redact) echo 512 ;;
    form|options) echo 1500 ;;
    *) echo 2500 ;;
  esac
}

number() { # name of a figure, log
  sed -n "s/^stat::$1: *//p" "$2" | tail -n 1
}

run_one() { # target
  local target=$1 log=$work/$1.log status=0 dict=() word=ok
  mkdir -p "$work/found/$target" "$work/broken"
  rm -f "$work/broken/$target"-*
  [ -e "tests/fuzz/$target.dict" ] && dict=("-dict=tests/fuzz/$target.dict")
  "$work/bin/$target" -max_total_time="$FUZZ_TIME" -max_len="$(longest "$target")" -timeout=10 \
    -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$work/broken/$target-" \
    "${dict[@]}" "$work/found/$target" "$corpus/$target" >"$log" 2>&1 </dev/null || status=$?
  [ "$status" = 0 ] || word=BROKEN
  printf '%-6s %-8s %9s executions %7s/s  corpus %5s\n' "$word" "$target" \
    "$(number number_of_executed_units "$log")" "$(number average_exec_per_sec "$log")" \
    "$(sed -n 's/.* corp: \([0-9]*\).*/\1/p' "$log" | tail -n 1)"
  if [ "$status" != 0 ]; then
    # the reason comes first; the rest is in the log
    grep -av '^#\|^INFO\|NEW_FUNC\|^Dictionary\|^###' "$log" | head -n 25
    echo "       log: $log"
    for input in "$work/broken/$target"-*; do
      [ -e "$input" ] && echo "       input: $input"
    done
  fi
  return "$status"
}

if [ "${1:-}" = --run ]; then
  run_one "$2"
  exit
fi

# ---- building -----------------------------------------------------------------

targets=()
for file in tests/fuzz/*.c tests/fuzz/*.lua; do
  name=${file##*/} name=${name%.*}
  case $name in host|check) continue ;; esac
  [ -z "${TARGET:-}" ] || [ "$TARGET" = "$name" ] || continue
  targets+=("$name")
done
if [ ${#targets[@]} = 0 ]; then
  echo "fuzz: no target ${TARGET:-} in tests/fuzz" >&2
  exit 1
fi

mkdir -p "$work/bin"
echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return d == 0 && n > 0; }' >"$work/probe.c"
if ! "$FUZZ_CC" -fsanitize=fuzzer,$sanitize -o "$work/probe" "$work/probe.c" >"$work/build.log" 2>&1; then
  cat "$work/build.log" >&2
  echo "fuzz: $FUZZ_CC cannot link libFuzzer: install clang and its runtime (Debian: libclang-rt-14-dev)" >&2
  exit 1
fi

objects=()
for file in csrc/core/*.c csrc/lua/*.c; do
  file=${file#csrc/}
  objects+=("$work/build/obj/${file%.c}.o")
done
make=("${MAKE:-make}" --no-print-directory -s "BUILD=$work/build" "CC=$FUZZ_CC"
  "CFLAGS=$flags -fsanitize=fuzzer-no-link,$sanitize")
"${make[@]}" -j"$JOBS" "${objects[@]}"
# An archive: what a target does not use is left out.
rm -f "$work/module.a"
ar rcs "$work/module.a" "${objects[@]}"
eval "$("${make[@]}" test-env | grep ' C_FLAGS=')" # C_FLAGS, as the tests are built
lua_libs=$(pkg-config --libs lua5.4 2>/dev/null || pkg-config --libs lua-5.4 2>/dev/null || pkg-config --libs lua)
curl_libs=$(pkg-config --libs libcurl 2>/dev/null || echo -lcurl)
for target in "${targets[@]}"; do
  source=tests/fuzz/$target.c
  [ -e "$source" ] || source=tests/fuzz/host.c
  # shellcheck disable=SC2086 # lists of flags
  "$FUZZ_CC" $C_FLAGS $flags -Werror -fsanitize=fuzzer,$sanitize "-DFUZZ_TARGET=\"$target\"" \
    -o "$work/bin/$target" "$source" "$work/module.a" -Wl,-E $lua_libs $curl_libs -lm -lpthread
done

# ---- keeping what is new --------------------------------------------------------

# The files with a name of their own stay; those named by their content are
# chosen anew.
merge_one() { # target
  local target=$1 out=$work/merged/$1 file room new=() i
  rm -rf "$out"
  mkdir -p "$out" "$work/found/$target"
  for file in "$corpus/$target"/*; do
    case ${file##*/} in found-*) cp "$file" "$work/found/$target/" ;; *) cp "$file" "$out/" ;; esac
  done
  "$work/bin/$target" -merge=1 -max_len="$(longest "$target")" -timeout=10 "$out" "$work/found/$target" \
    >"$work/$target.merge.log" 2>&1
  rm -f "$corpus/$target"/found-*
  while read -r _ file; do
    [ -e "$corpus/$target/$file" ] || new+=("$file")
  done < <(find "$out" -type f -printf '%s %f\n' | sort -n)
  # more than there is room for: some of every length
  room=$((FILES_MAX - $(find "$corpus/$target" -type f | wc -l)))
  [ "$room" -lt ${#new[@]} ] || room=${#new[@]}
  for ((i = 0; i < room; i++)); do
    file=${new[i * ${#new[@]} / room]}
    cp "$out/$file" "$corpus/$target/found-${file:0:12}"
  done
  printf '%-8s %4d files, %6d bytes\n' "$target" "$(find "$corpus/$target" -type f | wc -l)" \
    "$(cat "$corpus/$target"/* | wc -c)"
}

if [ "${1:-}" = --merge ]; then
  for target in "${targets[@]}"; do merge_one "$target"; done
  exit
fi

# ---- running --------------------------------------------------------------------

export BUILD=${BUILD:-build} FUZZ_TIME
echo "fuzz: ${#targets[@]} targets, $FUZZ_TIME s each, $JOBS at a time"
status=0
printf '%s\n' "${targets[@]}" | xargs -P "$JOBS" -n 1 "$0" --run || status=1
[ "$status" = 0 ] || echo "fuzz: something broke"
exit "$status"
