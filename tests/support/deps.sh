#!/bin/sh
# deps.sh - installs what building and testing need and this system lacks.
#
# Debian and Ubuntu: with apt-get, as root or through sudo. Elsewhere the
# command to run is printed. Nothing is done, and nothing asked of the network,
# when all is there.
set -eu

have() { command -v "$1" >/dev/null 2>&1; }
pc() { pkg-config --exists "$@" >/dev/null 2>&1; }
lua() { lua5.4 -e "require '$1'" >/dev/null 2>&1; }

# The Debian packages that would supply what is missing.
missing() {
  { have cc && have gcc; } || echo gcc libc6-dev
  have make || echo make
  have git || echo git
  have pkg-config || echo pkg-config
  have lua5.4 || echo lua5.4
  pc 'lua5.4 >= 5.4' || echo liblua5.4-dev
  pc libcurl || echo libcurl4-openssl-dev
  lua cjson || echo lua-cjson
  pc libmicrohttpd || echo libmicrohttpd-dev
  pc gnutls || echo libgnutls28-dev
  pc zlib || echo zlib1g-dev
  [ -s /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
  lua luv || echo lua-luv
  lua cqueues || echo lua-cqueues
  lua busted.runner || echo lua-busted
  lua argparse || echo lua-argparse
  lua socket || echo lua-socket
  have fish || echo fish
  have zsh || echo zsh
  have groff || echo groff-base
  have luacheck || echo lua-check
  have clang || echo clang
  have clang-tidy || echo clang-tidy
  have curl || echo curl
  have timeout || echo coreutils
  have nm || echo binutils
}

other_systems() {
  cat <<'END'
deps: apt-get is not here; install Lua 5.4, libcurl, libmicrohttpd, gnutls, zlib
(with headers), lua-cjson, luv, cqueues, busted, luacheck, curl, clang and clang-tidy, for example:
  Fedora  dnf install gcc make curl pkgconf-pkg-config lua lua-devel libcurl-devel \
            libmicrohttpd-devel gnutls-devel zlib-devel luarocks clang clang-tools-extra
  Alpine  apk add build-base pkgconf bash curl lua5.4 lua5.4-dev curl-dev lua5.4-cjson \
            libmicrohttpd-dev gnutls-dev zlib-dev luarocks5.4 clang clang-extra-tools
  Arch    pacman -S base-devel lua54 curl libmicrohttpd gnutls zlib luarocks clang
  macOS   brew install lua@5.4 curl libmicrohttpd gnutls pkg-config luarocks llvm
and what is then still missing:
  luarocks --lua-version 5.4 install lua-cjson   (and luv, cqueues, busted, luacheck)
END
}

want=$(missing | tr '\n' ' ')
if [ -z "$want" ]; then
  echo "deps: everything is here"
  exit 0
fi
echo "deps: missing: $want"

if ! have apt-get; then
  other_systems
  exit 1
fi
if [ "$(id -u)" = 0 ]; then
  root=
elif have sudo; then
  root=sudo
else
  echo "deps: run as root: apt-get install --no-install-recommends $want"
  exit 1
fi

# A slow mirror deserves a second try.
twice() { "$@" || { sleep 3; "$@"; }; }
apt() {
  $root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
    -o Acquire::Retries=2 -o Dpkg::Use-Pty=0 "$@" </dev/null
}

echo "deps: apt-get update"
twice apt update >/dev/null || echo "deps: apt-get update failed; trying with the lists at hand"
echo "deps: apt-get install $want"
# shellcheck disable=SC2086 # one word per package
twice apt install --no-install-recommends $want >/dev/null

# Releases whose lua-cjson or busted packages do not know Lua 5.4 yet.
for rock in lua-cjson:cjson busted:busted.runner; do
  if ! lua "${rock#*:}"; then
    have luarocks || twice apt install --no-install-recommends luarocks >/dev/null
    echo "deps: luarocks install ${rock%:*}"
    $root luarocks --lua-version 5.4 install "${rock%:*}"
  fi
done

want=$(missing | tr '\n' ' ')
if [ -n "$want" ]; then
  echo "deps: still missing: $want"
  exit 1
fi
echo "deps: done"
