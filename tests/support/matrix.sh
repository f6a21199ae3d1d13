#!/usr/bin/env bash
#
# matrix.sh - the module with other compilers, Luas, libcurls and another
# processor: a table of what passed, what failed and what is not to be had here.
#
#   tests/support/matrix.sh [WORD]    everything, or the cells with that word
#                                     in their name (or FILTER=WORD)
#
# Lua and libcurl are built from the source packages of the distribution's
# releases that the system's mirror has; nothing is installed on this system.
# One thing is changed at a time: each Lua and each libcurl meets the system's
# other one. Tarballs of further versions are taken from LUA_TARBALLS and
# CURL_TARBALLS. Everything is kept in $BUILD/matrix for the next time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
unset LUA_PATH LUA_CPATH LUA_PATH_5_4 LUA_CPATH_5_4 LUA_INIT LUA_INIT_5_4 MAKEFLAGS MAKELEVEL MFLAGS
export LC_ALL=C.UTF-8

work=$(realpath -m "${BUILD:-build}")/matrix
unset BUILD
want=${1:-${FILTER:-}}
unset FILTER
mkdir -p "$work/src"
table=$work/table
: >"$table"
failed=0
# The specs of what Lua or libcurl decide; the C units always run.
specs=${MATRIX_SPECS:-core json call download moved map oauth hostile}
# What CONTRIBUTING.md promises to work, and may not be found on a mirror.
promised_lua=5.4.0
promised_curl=7.68.0

row() { # state, cell, why
  printf '%-13s %-46s %s\n' "$1" "$2" "$3" | tee -a "$table"
  [ "$1" != FAILED ] || failed=1
}
wanted() { [ -z "$want" ] || case $1 in *"$want"*) ;; *) return 1 ;; esac; }

# ---- sources ----------------------------------------------------------------

# The releases of a distribution, oldest first; those that a mirror lacks are
# left out by apt.
# shellcheck disable=SC1091 # of the system
case $(. /etc/os-release && echo "$ID") in
  debian) suites="bullseye bookworm trixie forky sid" components=main ;;
  ubuntu) suites="focal jammy noble resolute devel" components="main universe" ;;
  *) suites='' components='' ;;
esac
apt() { # architecture, words for apt-get
  local arch=$1
  shift
  apt-get -q -y -o Dir::Etc::sourcelist="$work/apt-$arch/sources.list" -o Dir::Etc::sourceparts=/nonexistent \
    -o Dir::State="$work/apt-$arch" -o Dir::State::status="$work/apt-$arch/status" \
    -o Dir::Cache="$work/apt-$arch/cache" -o APT::Architecture="$arch" -o APT::Architectures="$arch" \
    -o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}
# The mirror that this system uses, as options and address.
mirror() {
  {
    sed -n 's/^deb  *\(\[[^]]*\] *\)\{0,1\}\([^ ]*\).*/\1|\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list
    awk '/^URIs:/ { uri = $2 } /^Signed-By: *\// { by = "[signed-by=" $2 "]" }
         /^$/ { if (uri) print by "|" uri; uri = by = "" } END { if (uri) print by "|" uri }' \
      /etc/apt/sources.list.d/*.sources
  } 2>/dev/null | grep -E '/(debian|ubuntu)/?$' | head -n 1
}
lists() { # architecture, type, suites
  local arch=$1 type=$2 at=$work/apt-$1 from suite
  [ ! -e "$at/done" ] || return 0
  from=$(mirror)
  [ -n "$from" ] && [ -n "$3" ] && command -v apt-get >/dev/null || return 1
  mkdir -p "$at/lists/partial" "$at/cache/archives/partial"
  : >"$at/status"
  for suite in $3; do
    printf '%s %s %s %s %s\n' "$type" "${from%%|*}" "${from##*|}" "$suite" "$components"
  done >"$at/sources.list"
  # A release that is not there is an error of the whole, and no matter.
  apt "$arch" update >"$at/log" 2>&1 || :
  : >"$at/done"
}
# Download the source archive of each version of a package into src/.
tarballs() { # package
  local version upstream
  while read -r version; do
    upstream=${version#*:} upstream=${upstream%-*}
    case $upstream in *[!0-9.]*) continue ;; esac # candidates
    [ -n "$(archive "$1" "$upstream")" ] ||
      (cd "$work/src" && apt source source --download-only --tar-only "$1=$version" >>"$work/apt-source/log" 2>&1) || :
  done < <(apt-cache -o Dir::Etc::sourcelist="$work/apt-source/sources.list" -o Dir::Etc::sourceparts=/nonexistent \
    -o Dir::State="$work/apt-source" -o Dir::State::status="$work/apt-source/status" \
    -o Dir::Cache="$work/apt-source/cache" showsrc --only-source "$1" 2>/dev/null | sed -n 's/^Version: //p' | sort -uV)
}
archive() { # package, version: its file, if it is here
  local file
  for file in "$work/src/$1_$2".orig.tar.*; do
    case $file in *.asc) ;; *) [ ! -s "$file" ] || { echo "$file"; return; } ;; esac
  done
}
versions() { # package, but for this one: those whose archive is here
  find "$work/src" -name "$1_*.orig.tar.*" ! -name '*.asc' | sed "s|.*/$1_\(.*\)\.orig\.tar.*|\1|" |
    sort -uV | grep -vxF -e "$2" || :
}
unpack() { # package, version: into src/NAME-VERSION
  local to=$work/src/$1-$2
  [ -d "$to" ] || {
    mkdir "$to.new"
    tar -xf "$(archive "$1" "$2")" -C "$to.new" --strip-components=1
    mv "$to.new" "$to"
  }
  echo "$to"
}

# ---- cells ------------------------------------------------------------------

# Build with these variables of the Makefile; run units and specs. `from` is
# where the libcurl is that it has to be.
cell() { # name, variables
  local name=$1 dir log passed=0 bad=0 line suite
  shift
  wanted "$name" || return 0
  dir=$work/cell-${name//[^a-zA-Z0-9.]/-}
  log=$dir.log
  : >"$log"
  for suite in unit $specs; do
    if [ "$suite" = unit ]; then line="unit FILTER="; else line="spec FILTER=$suite"; fi
    # shellcheck disable=SC2086 # two words
    "${MAKE:-make}" --no-print-directory BUILD="$dir" "$@" $line >"$dir.part" 2>&1 || bad=1
    cat "$dir.part" >>"$log"
    line=$(tail -n 1 "$dir.part")
    case $line in
      *" passed, 0 failed") passed=$((passed + ${line%% *})) ;;
      *) bad=1 ;;
    esac
  done
  rm -f "$dir.part"
  if [ -n "${from:-}" ] && ! ldd "$dir/bitrix24/core.so" | grep -F 'libcurl.so' | grep -qF "$from/"; then
    echo "Error: core.so has another libcurl than that of $from" >>"$log"
    bad=1
  fi
  if [ $bad = 0 ]; then
    row ok "$name" "$passed passed"
    rm -rf "$dir"
  else
    row FAILED "$name" "$(grep -m 1 -E 'FAILED|error:|Error' "$log" || tail -n 1 "$log") (log: $log)"
  fi
}

build_lua() { # version: bin/lua5.4, include, lib/liblua.a in a prefix
  local to=$work/lua-$1 from sources
  [ ! -x "$to/bin/lua5.4" ] || return 0
  from=$(unpack lua5.4 "$1")/src
  mkdir -p "$to/bin" "$to/include" "$to/lib"
  (
    cd "$from"
    cp lua.h luaconf.h lualib.h lauxlib.h "$to/include/"
    # shellcheck disable=SC2010 # names without surprises
    sources=$(ls ./*.c | grep -v -e '/luac\.c$' -e '/lua\.c$')
    # Modules (lua-cjson, busted) are the system's.
    set -- -std=gnu11 -O2 -fPIC -DLUA_USE_LINUX \
      -DLUA_PATH_DEFAULT="\"$(lua5.4 -e 'io.write(package.path)')\"" \
      -DLUA_CPATH_DEFAULT="\"$(lua5.4 -e 'io.write(package.cpath)')\""
    # shellcheck disable=SC2086 # a list of files
    cc "$@" -c $sources
    ar rcs "$to/lib/liblua.a" ./*.o
    cc "$@" -Wl,-E -o "$to/bin/lua5.4.new" lua.c -Wl,--whole-archive "$to/lib/liblua.a" -Wl,--no-whole-archive -lm -ldl
    mv "$to/bin/lua5.4.new" "$to/bin/lua5.4"
  ) >"$to.log" 2>&1
}
build_curl() { # version: a prefix with libcurl.so
  local to=$work/curl-$1 from
  [ ! -e "$to/lib/libcurl.so" ] || return 0
  from=$(unpack curl "$1")
  (
    cd "$from"
    [ -x configure ] || autoreconf -fi
    words=
    for word in --without-libpsl --disable-docs --disable-manual --without-brotli --without-zstd --without-libidn2 \
      --without-librtmp --without-libssh2 --disable-ldap --without-nghttp2 --disable-static; do
      ./configure --help | grep -qF -e "${word/--without-/--with-}" -e "${word/--disable-/--enable-}" -e "$word" &&
        words="$words $word"
    done
    # shellcheck disable=SC2086 # a list of options
    ./configure --prefix="$to" --with-openssl --with-ssl --with-zlib $words \
      --with-ca-bundle=/etc/ssl/certs/ca-certificates.crt CFLAGS="-O1 -w"
    make -j2 -C lib
    make -C lib install
    make -C include install
  ) >"$to.log" 2>&1
}

# Programs for another processor: its Debian packages, unpacked below a folder,
# a compiler that makes programs for it and an emulator that runs them.
foreign() {
  local arch=arm64 triplet=aarch64-linux-gnu name="aarch64, gcc, emulated" root=$work/arm64 dir=$work/cell-aarch64
  local lib=$work/arm64/usr/lib/aarch64-linux-gnu deb passed=0 bad=0 test line codename targets=()
  local run=(qemu-aarch64-static -L "$root") share=$root/usr/share/lua/5.4
  wanted "$name" || return 0
  for test in "$triplet-gcc:gcc-$triplet" qemu-aarch64-static:qemu-user-static; do
    if ! command -v "${test%%:*}" >/dev/null; then
      row "not here" "$name" "no ${test%%:*} (apt-get install ${test#*:})"
      return
    fi
  done
  if [ ! -e "$root/done" ]; then
    # shellcheck disable=SC1091 # of the system
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    if ! lists $arch deb "$codename" || ! apt $arch install --download-only --no-install-recommends lua5.4 \
      liblua5.4-dev libcurl4-openssl-dev lua-cjson lua-busted libmicrohttpd-dev libgnutls28-dev zlib1g-dev libc6-dev \
      >>"$work/apt-$arch/log" 2>&1; then
      row "not here" "$name" "its packages cannot be had (log: $work/apt-$arch/log)"
      return
    fi
    # As a merged /usr has it: some packages bring files in /lib.
    mkdir -p "$root/usr/lib" "$root/usr/bin"
    ln -sfn usr/lib "$root/lib"
    ln -sfn usr/bin "$root/bin"
    for deb in "$work/apt-$arch"/cache/archives/*.deb; do
      dpkg-deb --fsys-tarfile "$deb" | tar -C "$root" -xf - --keep-directory-symlink
    done
    : >"$root/done"
  fi
  for test in tests/c/*_test.c; do
    case $test in */lua_*) continue ;; esac # hosts, which start the system's compiler and shell
    test=${test##*/}
    targets+=("$dir/tests/${test%.c}")
  done
  if ! "${MAKE:-make}" --no-print-directory -j2 BUILD="$dir" CC="$triplet-gcc --sysroot=$root" AR="$triplet-ar" \
    LUA_CFLAGS="-I$root/usr/include/lua5.4" CURL_CFLAGS= CURL_LIBS=-lcurl HAS_SANDBOX=yes \
    SANDBOX_CFLAGS= SANDBOX_LIBS="-lmicrohttpd -lgnutls -lz -lpthread" \
    LDFLAGS="-L$lib -Wl,-rpath-link,$lib" WERROR=1 all "${targets[@]}" >"$dir.log" 2>&1; then
    row FAILED "$name" "it does not build (log: $dir.log)"
    return
  fi
  for test in "${targets[@]}"; do
    line=$(timeout 300 "${run[@]}" "$test" 2>&1 | tee -a "$dir.log" | tail -n 1) || :
    case $line in
      *" passed, 0 failed") passed=$((passed + ${line%% *})) ;;
      *) bad=1 && echo "aarch64: ${test##*/}: $line" ;;
    esac
  done
  # Specs that start no other program: the system's shell is of this processor.
  for test in core json call map; do
    line=$(LUA_PATH="$PWD/tests/?.lua;$PWD/lua/?.lua;$PWD/lua/?/init.lua;$share/?.lua;$share/?/init.lua" \
      LUA_CPATH="$dir/?.so;$lib/lua/5.4/?.so" timeout 600 "${run[@]}" "$root/usr/bin/lua5.4" tests/support/busted.lua \
      --output=plainTerminal "tests/spec/${test}_spec.lua" 2>&1 | tee -a "$dir.log" | grep -E '^[0-9]+ success') || :
    case $line in
      *" / 0 failures / 0 errors / "*) passed=$((passed + ${line%% *})) ;;
      *) bad=1 && echo "aarch64: ${test}_spec: ${line:-no summary}" ;;
    esac
  done
  if [ $bad = 0 ]; then row ok "$name" "$passed passed"; else row FAILED "$name" "log: $dir.log"; fi
}

# Where a libcurl cannot be had, a newer one's list tells in which version each
# name came that transport_curl*.c use for all of them.
symbols() { # version
  local list late version
  version=$(versions curl "" | tail -n 1)
  [ -n "$version" ] || return 1
  list=$(unpack curl "$version")/docs/libcurl/symbols-in-versions
  late=$(sed '/^#if LIBCURL_VERSION_NUM/,/^#\(else\|endif\)/d' csrc/core/transport_curl*.[ch] |
    grep -oE '\bCURL[A-Z]*_[A-Z0-9_]+\b' | sort -u |
    awk -v most="$1" 'function n(v, p) { split(v, p, "."); return p[1] * 1e6 + p[2] * 1e3 + p[3] }
      NR == FNR { since[$1] = $2; next } n(since[$1]) > n(most) { print $1 " (" since[$1] ")" }' "$list" -)
  [ -z "$late" ] || { echo "$late" | tr '\n' ' '; return 1; }
}

# ---- the matrix -------------------------------------------------------------

system_lua=$(lua5.4 -v | cut -d ' ' -f 2)
system_curl=$(pkg-config --modversion libcurl)

for file in ${LUA_TARBALLS:-}; do
  version=${file##*/lua-} && cp "$file" "$work/src/lua5.4_${version%.tar*}.orig.tar.${file##*.}"
done
for file in ${CURL_TARBALLS:-}; do
  version=${file##*/curl-} && cp "$file" "$work/src/curl_${version%.tar*}.orig.tar.${file##*.}"
done
if lists source deb-src "$suites"; then
  tarballs lua5.4
  tarballs curl
else
  row "not here" "Lua and libcurl of other releases" "no apt-get with a mirror"
fi

for compiler in gcc clang; do
  if command -v "$compiler" >/dev/null; then
    cell "$compiler, Lua $system_lua, libcurl $system_curl" CC="$compiler" WERROR=1
  else
    row "not here" "$compiler" "not installed"
  fi
done
for version in $(versions lua5.4 "$system_lua"); do
  wanted "Lua $version" || continue
  if build_lua "$version"; then
    to=$work/lua-$version
    cell "Lua $version" LUA="$to/bin/lua5.4" LUA_CFLAGS="-I$to/include" \
      LUA_LIBS="-Wl,--whole-archive $to/lib/liblua.a -Wl,--no-whole-archive"
  else
    row FAILED "Lua $version" "it does not build (log: $work/lua-$version.log)"
  fi
done
if [ "$system_lua" != $promised_lua ] && [ -z "$(archive lua5.4 $promised_lua)" ] && wanted "Lua $promised_lua"; then
  row "not here" "Lua $promised_lua" \
    "no release on the mirror has its source; LUA_TARBALLS=lua-$promised_lua.tar.gz adds it"
fi
for version in $(versions curl "$system_curl"); do
  wanted "libcurl $version" || continue
  if build_curl "$version"; then
    to=$work/curl-$version
    from=$to cell "libcurl $version" CURL_CFLAGS="-I$to/include" CURL_LIBS="-L$to/lib -Wl,-rpath,$to/lib -lcurl"
  else
    row FAILED "libcurl $version" "it does not build (log: $work/curl-$version.log)"
  fi
done
if [ "$system_curl" != $promised_curl ] && [ -z "$(archive curl $promised_curl)" ] &&
  wanted "libcurl $promised_curl"; then
  row "not here" "libcurl $promised_curl" \
    "no release on the mirror has its source; CURL_TARBALLS=curl-$promised_curl.tar.gz adds it"
  if late=$(symbols $promised_curl); then
    row ok "libcurl $promised_curl, by the names of its API" "transport_curl*.c use none that came later"
  else
    row FAILED "libcurl $promised_curl, by the names of its API" "${late:-no list of names}"
  fi
fi
foreign

echo
echo "matrix, $(uname -m), with Lua $system_lua and libcurl $system_curl where nothing else is said:"
cat "$table"
exit $failed
