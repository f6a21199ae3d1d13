#!/usr/bin/env bash
#
# asan.sh - the C units and the specs under AddressSanitizer, UBSan and LSan,
# with a Lua and a lua-cjson that were built the same way: an ordinary liblua
# hides the use of stale states and strings. Lua also checks its API here.
#
# The sources are those of the system's packages (apt-get source; deb-src is
# switched on for a list of our own, not for the system), or LUA_SRC, a Lua
# source tree, and CJSON_SRC. Everything goes into $BUILD/asan.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

work=$(realpath -m "${BUILD:-build}")/asan
CC=${CC:-cc}
sanitize="-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all"
mkdir -p "$work/src" "$work/bin" "$work/lib"

# apt-get with the system's archives as source archives, in $work/apt.
apt() {
  apt-get -q -o Dir::Etc::sourcelist="$work/apt/sources.list" -o Dir::Etc::sourceparts=/nonexistent \
    -o Dir::State::lists="$work/apt/lists" -o APT::Sandbox::User=root "$@"
}
fetch() { # package
  local package=$1
  if [ ! -d "$work/apt/lists" ]; then
    mkdir -p "$work/apt/lists/partial"
    # Both formats of sources; one line per archive is the one apt always reads.
    {
      sed -n 's/^deb  *\(\[[^]]*\]\)\{0,1\}/deb-src \1/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null || true
      awk 'function out(  u,s,n,m,i,j) {
             n = split(uris, u, " "); m = split(suites, s, " ")
             if (types ~ /deb/ && enabled !~ /no/)
               for (i = 1; i <= n; i++) for (j = 1; j <= m; j++)
                 print "deb-src", (signed == "" ? "" : "[signed-by=" signed "]"), u[i], s[j], components
             types = uris = suites = components = signed = enabled = ""
           }
           FNR == 1 || /^$/ { out() }
           /^Types:/ { types = substr($0, 7) }        /^URIs:/ { uris = substr($0, 6) }
           /^Suites:/ { suites = substr($0, 8) }      /^Components:/ { components = substr($0, 12) }
           /^Signed-By: *\// { signed = $2 }          /^Enabled:/ { enabled = $2 }
           END { out() }' /etc/apt/sources.list.d/*.sources /dev/null 2>/dev/null || true
    } >"$work/apt/sources.list"
    apt update >/dev/null
  fi
  (cd "$work/src" && apt source --download-only "$package" >/dev/null)
  tar -xf "$(ls "$work/src/${package}"_*.orig.tar.* | grep -v '\.asc$' | tail -n 1)" -C "$work/src"
}

if [ ! -x "$work/bin/lua5.4" ]; then
  if [ -z "${LUA_SRC:-}" ]; then
    fetch lua5.4
    LUA_SRC=$(dirname "$(ls "$work"/src/*/src/lua.c | tail -n 1)")
  elif [ -d "$LUA_SRC/src" ]; then
    LUA_SRC=$LUA_SRC/src
  fi
  echo "asan: building Lua from $LUA_SRC"
  mkdir -p "$work/include"
  (cd "$LUA_SRC" && cp lua.h luaconf.h lualib.h lauxlib.h "$work/include/")
  # Modules are found where the system's Lua finds them, lua-cjson here first.
  path=$(env -u LUA_PATH -u LUA_CPATH lua5.4 -e 'io.write(package.path)')
  cpath=$(env -u LUA_PATH -u LUA_CPATH lua5.4 -e 'io.write(package.cpath)')
  # Modules stay loaded, or a leak's trace has no names.
  echo 'int __wrap_dlclose(void *handle) { return handle == 0; }' >"$work/src/keep.c"
  sources=$(cd "$LUA_SRC" && ls ./*.c | grep -v '/luac\.c$')
  # shellcheck disable=SC2086 # lists of words
  (cd "$LUA_SRC" && $CC -std=gnu11 $sanitize -DLUA_USE_LINUX -DLUA_USE_APICHECK \
    -DLUA_PATH_DEFAULT="\"$path\"" -DLUA_CPATH_DEFAULT="\"$work/lib/?.so;$cpath\"" \
    -Wl,-E -Wl,--wrap=dlclose -o "$work/bin/lua5.4" $sources "$work/src/keep.c" -lm -ldl)
fi

if [ ! -e "$work/lib/cjson.so" ]; then
  if [ -z "${CJSON_SRC:-}" ]; then
    fetch lua-cjson
    CJSON_SRC=$(dirname "$(find "$work/src" -name lua_cjson.c | tail -n 1)")
  fi
  echo "asan: building lua-cjson from $CJSON_SRC"
  # shellcheck disable=SC2086 # a list of flags
  (cd "$CJSON_SRC" && $CC -std=gnu99 -w $sanitize -fPIC -shared -DNDEBUG -I"$work/include" \
    -o "$work/lib/cjson.so" lua_cjson.c strbuf.c fpconv.c -lm)
fi

export PATH="$work/bin:$PATH" LIMIT=${LIMIT:-600}
# Thread-local storage of libraries that come with dlopen is misread by the
# runtime of gcc 12 on glibc 2.36 ("glibc >=2.19 suspected"): not looked at.
export ASAN_OPTIONS="detect_leaks=1:intercept_tls_get_addr=0:detect_stack_use_after_return=1:strict_string_checks=1:${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS:-}"
export LSAN_OPTIONS="suppressions=$PWD/tests/support/lsan.supp:print_suppressions=0:${LSAN_OPTIONS:-}"
exec "${MAKE:-make}" --no-print-directory BUILD="$work/build" CC="$CC" CFLAGS="$sanitize" \
  LUA="$work/bin/lua5.4" LUA_CFLAGS="-I$work/include" SUITES="unit spec" test
