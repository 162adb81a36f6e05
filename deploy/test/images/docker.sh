#!/usr/bin/env bash
# docker.sh COMMAND…: runs COMMAND with a Docker engine, and exits as COMMAND does.
#
# If an engine answers, COMMAND uses that one. If none does, docker.sh starts a dockerd as root and ends
# it when COMMAND has ended. That dockerd keeps its images in the user's cache, for the next run, and
# nothing else. If docker.sh itself is killed, the kernel tells the dockerd to end.
set -euo pipefail

docker version >/dev/null 2>&1 && exec "$@"

fail() { printf 'docker.sh: %s\n' "$1" >&2; exit 1; }
command -v dockerd >/dev/null || fail "no Docker answers, and there is no dockerd to start: install docker.io"

as_root=$([ "$(id -u)" = 0 ] || echo sudo)
data=${XDG_CACHE_HOME:-$HOME/.cache}/rollcall/docker
mkdir -p "$data"
exec 9>"$data.lock"
flock --wait 1800 9 || fail "another dockerd has used $data for half an hour"

run=$(mktemp -d)
export DOCKER_HOST=unix://$run/docker.sock
# A test that runs in a container itself would otherwise look for published ports at the gateway.
export TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1

# remove_leftovers removes what tests leave if they are killed, and what no image is made of any more.
remove_leftovers() {
  docker ps --all --quiet | xargs --no-run-if-empty docker rm --force --volumes
  docker system prune --force --volumes
}

end() {
  trap '' INT TERM
  remove_leftovers >/dev/null 2>&1 || true
  [ ! -s "$run/pid" ] || $as_root kill "$(cat "$run/pid")" || true
  wait "$engine" || true
  $as_root rm -rf "$run"
}

# dockerd inherits the lock: the data is in use for as long as it lives.
$as_root setpriv --pdeathsig TERM dockerd --data-root "$data" --exec-root "$run/exec" --pidfile "$run/pid" \
  --host "$DOCKER_HOST" --group "$(id -g)" >"$run/log" 2>&1 &
engine=$!
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

SECONDS=0
until docker version >/dev/null 2>&1; do
  kill -0 "$engine" 2>/dev/null || { cat "$run/log" >&2; fail "dockerd did not start"; }
  [ $SECONDS -lt 60 ] || { cat "$run/log" >&2; fail "dockerd does not answer after a minute"; }
  sleep 0.2
done

# In the background, so that a signal is answered at once.
"$@" 9>&- &
command=$!
trap 'kill "$command" 2>/dev/null; exit 130' INT
trap 'kill "$command" 2>/dev/null; exit 143' TERM
wait "$command"
