#!/usr/bin/env bash
# compose.sh ARGUMENTS…: Docker Compose, as `docker compose ARGUMENTS…`. Where Docker has no such plugin,
# it is built once from its Go module, and kept in the user's cache. (`go install` refuses a module that
# excludes versions of others.)
set -euo pipefail

docker compose version >/dev/null 2>&1 && exec docker compose "$@"

version=v2.40.3
binary=${XDG_CACHE_HOME:-$HOME/.cache}/rollcall/compose/$version/docker-compose
if [ ! -x "$binary" ]; then
  echo "building Docker Compose $version" >&2
  module=$(go mod download -json "github.com/docker/compose/v2@$version" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  mkdir -p "$(dirname "$binary")"
  go -C "$module" build -trimpath -ldflags="-s -w -X github.com/docker/compose/v2/internal.Version=$version" \
    -o "$binary.$$" ./cmd
  mv "$binary.$$" "$binary"
fi
exec "$binary" "$@"
