#!/usr/bin/env bash
#
# rocks.sh - the rocks, made and used the way their users do: each into a tree
# that was empty, used from a folder that is empty, with no sources around.
#
#   tests/support/rocks.sh            the whole check
#   tests/support/rocks.sh --files    the files of a source archive
#
# It works on a copy of the sources, and the copy must stay as it was. Nothing
# is fetched: lua-cjson and argparse are the system's, and LuaRocks is told so.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
unset LUA_PATH LUA_CPATH LUA_PATH_5_4 LUA_CPATH_5_4 LUA_INIT LUA_INIT_5_4 LUAROCKS_CONFIG \
  BUILD MAKEFLAGS MAKELEVEL MFLAGS "${!BITRIX24_@}"
export LC_ALL=C.UTF-8

files() {
  if [ -e .git ]; then
    git ls-files -co --exclude-standard | while IFS= read -r file; do
      if [ -e "$file" ]; then printf '%s\n' "$file"; fi
    done
  else
    find . -path ./build -prune -o -type f -print | sed 's|^\./||'
  fi
}
if [ "${1:-}" = --files ]; then
  files
  exit
fi

say() { echo "rocks: $*"; }
fail() { say "FAILED: $*"; exit 1; }
if ! command -v luarocks >/dev/null; then
  say "luarocks is not here (apt-get install luarocks)"
  exit 1
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
source=$scratch/source
tree=$scratch/tree
empty=$scratch/empty
mkdir "$source" "$empty"
files | tar -cf - -T - | tar -xf - -C "$source"
listing() { (cd "$1" && find . -type f -o -type l | sort); }
listing "$source" >"$scratch/source.before"

cat >"$scratch/config.lua" <<END
rocks_provided = { ["lua-cjson"] = "2.1.0-1", argparse = "0.7.1-1" }
rocks_servers = {}
home_tree = "$scratch/home"
END
rocks() { # words for luarocks; what it says is shown when it fails
  (cd "${at:-$source}" && LUAROCKS_CONFIG="$scratch/config.lua" luarocks --lua-version "${lua:-5.4}" "$@") \
    >"$scratch/log" 2>&1 || { cat "$scratch/log"; return 1; }
}
# Lua with a tree of rocks, lua-cjson where the system has it, nothing else.
use() { # tree, words for lua
  local at=$1
  shift
  (cd "$empty" && LUA_PATH="$at/share/lua/5.4/?.lua;$at/share/lua/5.4/?/init.lua;;" \
    LUA_CPATH="$at/lib/lua/5.4/?.so;;" lua5.4 "$@")
}
installed() { (cd "$1" && find share lib/lua -type f | sort); }

# ---- the client alone -------------------------------------------------------

rocks make --tree "$tree" rockspec/bitrix24-scm-1.rockspec || fail "luarocks make"
(cd "$source" && find lua -name '*.lua' | grep -v '^lua/bitrix24/sandbox[./]' | sed 's|^lua/|share/lua/5.4/|'
  echo lib/lua/5.4/bitrix24/core.so) | sort >"$scratch/want"
installed "$tree" | diff "$scratch/want" - || fail "the rock bitrix24 holds other files than the sources"
if readelf -d "$tree/lib/lua/5.4/bitrix24/core.so" | grep -E 'NEEDED.*(microhttpd|gnutls|libz)'; then
  fail "the client needs the sandbox's libraries"
fi
use "$tree" -e 'local b = require "bitrix24"
  assert(b._VERSION:find "^bitrix24 %d")
  assert(not pcall(require, "bitrix24.sandbox"))' || fail "require"
say "bitrix24: made into an empty tree, $(wc -l <"$scratch/want") files, no sandbox, no libmicrohttpd"

# ---- the sandbox, a rock of its own -----------------------------------------

rocks make --tree "$tree" rockspec/bitrix24-sandbox-scm-1.rockspec || fail "luarocks make, sandbox"
(cd "$source" && find lua -name '*.lua' | sed 's|^lua/|share/lua/5.4/|'
  printf 'lib/lua/5.4/bitrix24/%s\n' core.so sandbox/server.so) | sort >"$scratch/want"
installed "$tree" | diff "$scratch/want" - || fail "both rocks hold other files than the sources"
say "bitrix24-sandbox: made into the same tree, $(wc -l <"$scratch/want") files in all"

listing "$source" | diff "$scratch/source.before" - || fail "an artefact stayed in the sources"
if find "$tree" -name '*.o' -o -name '*.a' -o -name build | grep .; then fail "an artefact stayed in the rocks"; fi
say "no artefact in the sources, none in the tree"

# ---- the recipe, with no source tree around ---------------------------------

mv "$source" "$scratch/away"
cat >"$scratch/portal.lua" <<'END'
local sb <close> = require "bitrix24.sandbox".start {}
io.write(sb.webhook, "\n"):flush()
io.read()
END
recipe() { # tree: the recipe that came with the rock, the sandbox in a process of its own
  local webhook out
  coproc PORTAL { use "$1" "$scratch/portal.lua"; }
  # shellcheck disable=SC2153 # set by coproc
  read -r webhook <&"${PORTAL[0]}"
  # shellcheck disable=SC2153
  local pid=$PORTAL_PID
  out=$(BITRIX24_WEBHOOK=$webhook use "$1" "$1"/lib/luarocks/rocks-5.4/bitrix24/*/examples/call_list.lua) || return 1
  echo >&"${PORTAL[1]}"
  wait "$pid" || return 1
  printf '%s\n' "$out" | grep -q '^call list [0-9]*: ' || return 1
  printf '%s\n' "$out" | sed -n 1p
}
recipe "$tree" || fail "the recipe"
say "the recipe runs from the tree alone"
mv "$scratch/away" "$source"

# ---- packed, and installed from what was packed -----------------------------

mkdir "$scratch/packed"
at=$scratch/packed
for rock in bitrix24 bitrix24-sandbox; do
  rocks pack "$rock" --tree "$tree" || fail "luarocks pack $rock"
done
for rock in bitrix24 bitrix24-sandbox; do
  rocks install --tree "$scratch/second" "$(ls "$at/$rock"-scm-1.*.rock)" || fail "luarocks install of the packed $rock"
done
at=
diff <(installed "$tree") <(installed "$scratch/second") || fail "the packed rocks hold other files"
say "packed and installed again: $(cd "$scratch/packed" && echo *.rock)"

# The rock of a version, from its source archive.
version=$(sed -n 's/^.define B24_VERSION "\(.*\)"/\1/p' csrc/include/bitrix24.h)
name=bitrix24-$version
mkdir "$scratch/archive"
cp -r "$source" "$scratch/archive/$name"
tar -C "$scratch/archive" -czf "$scratch/archive/$name.tar.gz" "$name"
at=$scratch/archive
for rock in bitrix24 bitrix24-sandbox; do
  sed "s|url = \"[^\"]*\"|url = \"file://$scratch/archive/$name.tar.gz\"|" \
    "rockspec/$rock-$version-1.rockspec" >"$at/$rock-$version-1.rockspec"
  rocks pack "$rock-$version-1.rockspec" || fail "luarocks pack of the sources of $rock"
  rocks install --tree "$scratch/third" "$rock-$version-1.src.rock" || fail "luarocks install of the sources of $rock"
done
at=
diff <(installed "$tree") <(installed "$scratch/third") || fail "the source rocks hold other files"
recipe "$scratch/third" >/dev/null || fail "the recipe from the source rocks"
say "source rocks of $version: built from the archive, the recipe runs"

# ---- removed ----------------------------------------------------------------

for rock in bitrix24-sandbox bitrix24; do
  rocks remove --tree "$tree" $rock || fail "luarocks remove $rock"
done
[ -z "$(installed "$tree" 2>/dev/null)" ] || fail "files stayed after luarocks remove"
say "removed, nothing stayed"

# ---- another Lua is told ----------------------------------------------------

# Debian's luarocks means Lua 5.1 when nothing is said.
if lua=5.1 rocks make --tree "$scratch/old" rockspec/bitrix24-scm-1.rockspec >/dev/null; then
  fail "made for Lua 5.1"
elif grep -q 'lua >= 5.4' "$scratch/log"; then
  say "refused for Lua 5.1: $(grep -m 1 'lua >= 5.4' "$scratch/log" | sed 's/^ *//')"
else
  cat "$scratch/log"
  fail "for Lua 5.1 the message does not name the version that is needed"
fi
say "ok"
