#!/bin/sh
# Puts the embedded ClickHouse engine (libchdb) into the user's cache, in the version that package-lock.json pins, checked against the lock's checksum.
# Running it again does nothing. A run that is killed leaves nothing behind that a later run or Rollcall would take for an engine.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

fail() { printf 'install.sh: %s\n' "$1" >&2; exit 1; }

platform=$(uname -s)-$(uname -m)
case $platform in
  Linux-x86_64) package=@chdb/lib-linux-x64-gnu ;;
  *) fail "no engine is pinned for $platform; get libchdb by other means and set CHDB_LIB_PATH to its path" ;;
esac

version=$(sed -n "s|^ *\"$package\": \"\\(.*\\)\".*|\\1|p" "$here/package.json")
[ -n "$version" ] || fail "package.json names no version of $package"
cache=${XDG_CACHE_HOME:-${HOME:?set HOME or XDG_CACHE_HOME}/.cache}/rollcall/engine
engine=$cache/$version/libchdb.so

[ -s "$engine" ] && exit 0
command -v npm >/dev/null || fail "npm is needed to fetch the engine: install Node.js, or set CHDB_LIB_PATH to a libchdb.so of version $version"

mkdir -p "$cache"
work=$(mktemp -d "$cache/.install-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$work"
printf 'fetching %s %s (about 130 MB; 550 MB unpacked) into %s\n' "$package" "$version" "$cache" >&2
(cd "$work" && npm ci --loglevel=error >&2) || fail "npm could not fetch $package $version, or it is not what package-lock.json pins"

mkdir -p "$cache/$version"
mv -f "$work/node_modules/$package/libchdb.so" "$engine" # a rename within one directory tree: the engine is there whole, or not at all
