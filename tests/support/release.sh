#!/usr/bin/env bash
#
# release.sh - the version, in every place where it stands.
#
#   VERSION=0.2.0 [URL=ADDRESS] tests/support/release.sh
#                                     check, then write the version; URL is
#                                     where the source archive will be, for
#                                     the rockspecs
#   tests/support/release.sh --check  is it the same everywhere?
#   tests/support/release.sh --rocks  write the rockspecs of the present
#                                     version again, from those of scm
#
# Its home is B24_VERSION in bitrix24.h: the Makefile, _VERSION, User-Agent and
# bitrix24.pc read it there. Written are copies that their formats ask for: the
# rockspecs of the version, Debian's changelog, the heading in CHANGELOG.md.
# Nothing is committed and nothing leaves this machine.
set -euo pipefail
cd "${ROOT:-$(dirname "${BASH_SOURCE[0]}")/../..}"

header=csrc/include/bitrix24.h
debian=rockspec/debian/changelog
rocks="bitrix24 bitrix24-sandbox"
current=$(sed -n 's/^#define B24_VERSION "\(.*\)"/\1/p' "$header")

# Every reason is printed, not the first alone.
wrong=0
complain() {
  echo "release: $*" >&2
  wrong=1
}

rockspec() { # rock, version, url: the one of scm with these
  sed -e "s|^version = .*|version = \"$2-1\"|" \
    -e "s|^-- For .luarocks make. in a checkout.|-- The source archive of this version; \`luarocks make\` in a checkout needs none.|" \
    -e "s|^source = .*|source = { url = \"$3\", dir = \"bitrix24-$2\" }|" \
    -e "s|\"bitrix24 == scm\"|\"bitrix24 == $2\"|" "rockspec/$1-scm-1.rockspec"
}
url_of() { sed -n 's/^source = { url = "\([^"]*\)".*/\1/p' "$1" 2>/dev/null || :; }
write_rocks() { # version, url or nothing
  local rock url
  for rock in $rocks; do
    url=${2:-bitrix24-$1.tar.gz}
    rockspec "$rock" "$1" "$url" >"rockspec/$rock-$1-1.rockspec"
  done
}
# Newest first; "## 0.2.0 - 2026-12-31".
released() { sed -n 's/^## \[\{0,1\}v\{0,1\}\([0-9][0-9.]*\).*/\1/p' CHANGELOG.md; }
unreleased() { awk '/^## / { inside = /^## \[?Unreleased/; next } inside' CHANGELOG.md; }

check() {
  local rock file newest top
  [[ $current =~ ^(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}$ ]] || complain "$header: \"$current\" is no MAJOR.MINOR.PATCH"
  for rock in $rocks; do
    file=rockspec/$rock-$current-1.rockspec
    if [ ! -e "$file" ]; then
      complain "$file is not there"
    elif ! rockspec "$rock" "$current" "$(url_of "$file")" | cmp -s - "$file"; then
      complain "$file is not the one of scm with version $current (release.sh --rocks)"
    fi
    for file in rockspec/"$rock"-[0-9]*.rockspec; do
      [ "$file" = "rockspec/$rock-$current-1.rockspec" ] || complain "$file is of another version than $current"
    done
  done
  top=$(sed -n '1s/^lua-bitrix24 (\(.*\)-[0-9]*) .*/\1/p' "$debian")
  [ "$top" = "$current" ] || complain "$debian: \"$top\", $header: \"$current\""
  newest=$(released | head -n 1)
  [ -z "$newest" ] || [ "$newest" = "$current" ] || complain "CHANGELOG.md: \"$newest\", $header: \"$current\""
  grep -q '^## Unreleased$' CHANGELOG.md || complain "CHANGELOG.md has no \"## Unreleased\""
}

case ${1:-} in
  --check)
    check
    [ $wrong = 1 ] || echo "release: $current everywhere"
    exit $wrong ;;
  --rocks)
    write_rocks "$current" "$(url_of "rockspec/bitrix24-$current-1.rockspec" | grep :// || :)"
    exit ;;
  '') ;;
  *) echo "usage: VERSION=0.2.0 [URL=ADDRESS] $0 [--check | --rocks]" >&2; exit 2 ;;
esac

# ---- may it be released, and under this number? -----------------------------

VERSION=${VERSION:-}
if ! [[ $VERSION =~ ^(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}$ ]]; then
  complain "VERSION=\"$VERSION\" is no MAJOR.MINOR.PATCH"
  exit 1
fi
check
if ! status=$(git status --porcelain 2>&1); then
  complain "git: $status"
elif [ -n "$status" ]; then
  complain "the tree is not clean:"
  printf '%s\n' "$status" | head -n 10 >&2
fi
unreleased | grep -q '^- ' || complain "CHANGELOG.md: nothing is unreleased"

IFS=. read -r major minor _ <<<"$VERSION"
last=$(released | head -n 1)
if [ -n "$last" ]; then
  IFS=. read -r m n p <<<"$last"
  next="$((m + 1)).0.0 $m.$((n + 1)).0 $m.$n.$((p + 1))"
  case " $next " in *" $VERSION "*) ;; *) complain "after $last comes one of $next, not $VERSION" ;; esac
  # 0 grants the minor number to what breaks: see CONTRIBUTING.md.
  if unreleased | grep -q '^### Breaking' && [ "$major" = "$m" ] && { [ "$m" != 0 ] || [ "$minor" = "$n" ]; }; then
    complain "something breaks (### Breaking): $VERSION is not enough"
  fi
  if unreleased | grep -q '^### Added' && [ "$major.$minor" = "$m.$n" ]; then
    complain "something was added (### Added): $VERSION is not enough"
  fi
elif [ "$(printf '%s\n' "$current" "$VERSION" | sort -V | tail -n 1)" != "$VERSION" ]; then
  complain "$VERSION is less than $current"
fi
if [ $wrong = 1 ]; then exit 1; fi

# ---- write ------------------------------------------------------------------

seconds=${SOURCE_DATE_EPOCH:-$(date +%s)}
day=$(date -u -d "@$seconds" +%Y-%m-%d)
sed -i "s/^#define B24_VERSION .*/#define B24_VERSION \"$VERSION\"/" "$header"
sed -i "s/^## Unreleased$/## Unreleased\n\n## $VERSION - $day/" CHANGELOG.md
for rock in $rocks; do rm -f rockspec/"$rock"-[0-9]*.rockspec; done
write_rocks "$VERSION" "${URL:-}"
entry="lua-bitrix24 ($VERSION-1) unstable; urgency=medium

  * Version $VERSION; CHANGELOG.md says what changed.

 -- $(sed -n 's/^Maintainer: //p' rockspec/debian/control)  $(LC_ALL=C date -u -R -d "@$seconds")"
if [ "$VERSION" = "$current" ]; then
  printf '%s\n' "$entry" >"$debian" # the first release
else
  printf '%s\n\n%s\n' "$entry" "$(cat "$debian")" >"$debian.new"
  mv "$debian.new" "$debian"
fi

current=$VERSION
check
if [ $wrong = 1 ]; then exit 1; fi
cat <<END
release: $VERSION is written. What remains:
  git diff
  make test rocks deb matrix
  git commit -am "Version $VERSION"
  git tag -a v$VERSION -m "Version $VERSION"
  git archive --prefix=bitrix24-$VERSION/ -o bitrix24-$VERSION.tar.gz v$VERSION
  git push --follow-tags; publish the archive$([ -n "${URL:-}" ] || printf ' and write its address into both rockspecs')
  luarocks upload rockspec/bitrix24-$VERSION-1.rockspec
  luarocks upload rockspec/bitrix24-sandbox-$VERSION-1.rockspec
END
