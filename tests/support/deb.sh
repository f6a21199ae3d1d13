#!/usr/bin/env bash
#
# deb.sh - Debian packages of this tree, checked: built by dpkg-buildpackage,
# no error of lintian, installed, used and removed without a trace.
#
#   tests/support/deb.sh          packages into $BUILD/deb
#
# Nothing is installed on this system: the installation is one of its own, in a
# folder. With debootstrap, as root, it is a whole Debian, where apt finds the
# dependencies (SUITE, of this system otherwise; CHROOT=0 for none, and then
# dpkg unpacks, and the recipe runs, with the system's dependencies).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
unset LUA_PATH LUA_CPATH LUA_PATH_5_4 LUA_CPATH_5_4 LUA_INIT LUA_INIT_5_4 MAKEFLAGS MAKELEVEL MFLAGS

work=$(realpath -m "${BUILD:-build}")/deb
unset BUILD
missing=
for pair in dpkg-buildpackage:dpkg-dev dh:debhelper lintian:lintian; do
  command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
done
if [ -n "$missing" ]; then
  echo "deb: missing:$missing (apt-get install$missing)"
  exit 1
fi
say() { echo "deb: $*"; }
fail() { say "FAILED: $*"; exit 1; }

# ---- build, on a copy -------------------------------------------------------

tests/support/release.sh --check
version=$(sed -n 's/^.define B24_VERSION "\(.*\)"/\1/p' csrc/include/bitrix24.h)
source=$work/lua-bitrix24-$version
mkdir -p "$work"
rm -rf "$source" "$work"/*.deb "$work"/*.changes "$work"/*.buildinfo
mkdir "$source"
tests/support/rocks.sh --files | tar -cf - -T - | tar -xf - -C "$source"
cp -r rockspec/debian "$source/debian"
say "building, log in $work/build.log"
(cd "$source" && DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS:-nocheck parallel=2}" \
  dpkg-buildpackage -us -uc -b) >"$work/build.log" 2>&1 || {
  tail -n 30 "$work/build.log"
  fail "dpkg-buildpackage"
}
rm -rf "$source"
arch=$(dpkg --print-architecture)
debs=()
for name in lua-bitrix24 lua-bitrix24-sandbox libbitrix24-0 libbitrix24-dev; do
  debs+=("$work/${name}_${version}-1_$arch.deb")
done
ls -1 "${debs[@]}"

# The first entry of its changelog says nothing of a bug: this is not Debian's.
lintian --fail-on error --allow-root --suppress-tags initial-upload-closes-no-bugs "$work"/*.changes ||
  fail "lintian"
say "lintian: no error"

# ---- install, use, remove ---------------------------------------------------

scratch=$(mktemp -d)
trap 'rm -rf --one-file-system "$scratch"' EXIT
root=$scratch/root

# What there is, without what apt and dpkg note for themselves.
listing() {
  (cd "$root" && find . -xdev \( -path ./proc -o -path ./tmp -o -path ./var/cache -o -path ./var/log \
    -o -path ./var/lib/dpkg -o -path ./var/lib/apt -o -path ./etc/ld.so.cache \) -prune -o -print | sort)
}
recipe=examples/call_list.lua
use='local sb <close> = require "bitrix24.sandbox".start {}
  local f <close> = assert(io.popen("BITRIX24_WEBHOOK=" .. sb.webhook .. " lua5.4 " .. arg[1]))
  local out = f:read "a"
  assert(out:find "\ncall list %d+: ", out)
  io.write(out:match "[^\n]+", "\n")'

# shellcheck disable=SC1091 # of the system
suite=${SUITE:-$(. /etc/os-release && echo "${VERSION_CODENAME:-}")}
if [ "${CHROOT:-1}" = 1 ] && [ "$(id -u)" = 0 ] && command -v debootstrap >/dev/null && [ -n "$suite" ]; then
  # The base is kept in $BUILD for the next time.
  base=$work/base-$suite.tar
  if [ ! -s "$base" ]; then
    say "debootstrap $suite, log in $work/debootstrap.log"
    debootstrap --variant=minbase "$suite" "$root" >"$work/debootstrap.log" 2>&1 || fail "debootstrap"
    tar -C "$root" -cf "$base.new" . && mv "$base.new" "$base"
  else
    mkdir "$root" && tar -C "$root" -xpf "$base"
  fi
  within() { env -i PATH="$PATH" LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"; }
  apt() { within apt-get -q -y -o Dpkg::Use-Pty=0 --no-install-recommends "$@" >"$work/apt.log" 2>&1 ||
    { tail -n 20 "$work/apt.log"; fail "apt-get $*"; }; }
  apt update
  # The dependencies first, so that what remains at the end is ours alone.
  needs=()
  while read -r need; do
    case $need in ''|*bitrix24*) ;; *) needs+=("$need") ;; esac
  done < <(for deb in "${debs[@]}"; do dpkg-deb -f "$deb" Depends; done | tr ',' '\n' | awk '{ print $1 }' | sort -u)
  apt install "${needs[@]}" lua5.4
  mkdir -p "$root/tmp/debs"
  cp "${debs[@]}" "$recipe" "$root/tmp/debs/"
  listing >"$scratch/before"
  mapfile -t inside < <(printf '/tmp/debs/%s\n' "${debs[@]##*/}")
  apt install "${inside[@]}"
  # shellcheck disable=SC2016 # dpkg-query's
  say "installed in a Debian $suite: $(within dpkg-query -W -f '${Package} ' 'lua-bitrix24*' 'libbitrix24*')"
  printf '%s\n' "$use" >"$root/tmp/debs/use.lua"
  within sh -c 'cd / && lua5.4 /tmp/debs/use.lua /tmp/debs/call_list.lua'
  within sh -c 'ldconfig -p | grep -q libbitrix24.so.0' || fail "ldconfig does not know libbitrix24.so.0"
  within dpkg --audit
  apt purge lua-bitrix24 lua-bitrix24-sandbox libbitrix24-0 libbitrix24-dev
else
  say "no debootstrap, or not root: unpacked by dpkg, with this system's Lua"
  mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates" "$root/tmp"
  : >"$root/var/lib/dpkg/status"
  into() { dpkg --root="$root" --force-not-root --force-script-chrootless --force-depends \
    --log="$work/dpkg.log" "$@" >"$work/apt.log" 2>&1 ||
    { tail -n 20 "$work/apt.log"; fail "dpkg $*"; }; }
  listing >"$scratch/before"
  into --install "${debs[@]}"
  lib=$root/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
  printf '%s\n' "$use" >"$root/tmp/use.lua"
  recipe=$PWD/$recipe
  (cd / && LUA_PATH="$root/usr/share/lua/5.4/?.lua;$root/usr/share/lua/5.4/?/init.lua;;" \
    LUA_CPATH="$lib/lua/5.4/?.so;;" lua5.4 "$root/tmp/use.lua" "$recipe")
  into --purge lua-bitrix24-sandbox lua-bitrix24 libbitrix24-dev libbitrix24-0
fi
listing >"$scratch/after"
diff "$scratch/before" "$scratch/after" || fail "something stayed after the removal"
say "removed, nothing stayed"
