# sources.sh - Lua and lua-cjson from their sources, for the checkers: built
# like everything else, they hide nothing. Sourced, not run; needs $work (a
# folder) and $CC.
#
# The sources are those of the system's packages (apt-get source; deb-src is
# switched on for a list of our own, not for the system), or LUA_SRC, a Lua
# source tree, and CJSON_SRC.
mkdir -p "$work/src" "$work/bin" "$work/lib" "$work/include"

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

# $work/bin/lua5.4, its headers in $work/include, and with the name of an
# archive the library as well, for hosts in C.
build_lua() { # flags [archive]
  local flags=$1 path cpath file objects=()
  [ -x "$work/bin/lua5.4" ] && return
  if [ -z "${LUA_SRC:-}" ]; then
    fetch lua5.4
    LUA_SRC=$(dirname "$(ls "$work"/src/*/src/lua.c | tail -n 1)")
  elif [ -d "$LUA_SRC/src" ]; then
    LUA_SRC=$LUA_SRC/src
  fi
  echo "building Lua from $LUA_SRC"
  (cd "$LUA_SRC" && cp lua.h luaconf.h lualib.h lauxlib.h "$work/include/")
  # Modules are found where the system's Lua finds them, lua-cjson here first.
  path=$(env -u LUA_PATH -u LUA_CPATH lua5.4 -e 'io.write(package.path)')
  cpath=$(env -u LUA_PATH -u LUA_CPATH lua5.4 -e 'io.write(package.cpath)')
  # Modules stay loaded, or a report's trace has no names.
  echo 'int __wrap_dlclose(void *handle) { return handle == 0; }' >"$work/src/keep.c"
  for file in "$LUA_SRC"/*.c "$work/src/keep.c"; do
    case ${file##*/} in lua.c|luac.c) continue ;; esac
    objects+=("$work/src/$(basename "$file" .c).o")
    # shellcheck disable=SC2086 # a list of flags
    $CC -std=gnu11 $flags -fPIC -DLUA_USE_LINUX -DLUA_USE_APICHECK -I"$LUA_SRC" \
      -DLUA_PATH_DEFAULT="\"$path\"" -DLUA_CPATH_DEFAULT="\"$work/lib/?.so;$cpath\"" \
      -c -o "${objects[-1]}" "$file"
  done
  if [ -n "${2:-}" ]; then
    rm -f "$work/lib/$2"
    ar rcs "$work/lib/$2" "${objects[@]}"
  fi
  # shellcheck disable=SC2086 # a list of flags
  $CC -std=gnu11 $flags -DLUA_USE_LINUX -I"$LUA_SRC" -Wl,-E -Wl,--wrap=dlclose -o "$work/bin/lua5.4" \
    "$LUA_SRC/lua.c" "${objects[@]}" -lm -ldl
}

# $work/lib/cjson.so, which that Lua finds first.
build_cjson() { # flags
  local flags=$1
  [ -e "$work/lib/cjson.so" ] && return
  if [ -z "${CJSON_SRC:-}" ]; then
    fetch lua-cjson
    CJSON_SRC=$(dirname "$(find "$work/src" -name lua_cjson.c | tail -n 1)")
  fi
  echo "building lua-cjson from $CJSON_SRC"
  # shellcheck disable=SC2086 # a list of flags
  (cd "$CJSON_SRC" && $CC -std=gnu99 -w $flags -fPIC -shared -DNDEBUG -I"$work/include" \
    -o "$work/lib/cjson.so" lua_cjson.c strbuf.c fpconv.c -lm)
}
