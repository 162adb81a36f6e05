#!/usr/bin/env bash
# Makes the images that deploy/compose.yaml, deploy/Dockerfile and the integration suite name.
#
# An image that is there, or that a registry has, is taken as it is. Where no registry answers, a
# stand-in is built under the same name: README.md says from what, and what it does not prove. A
# stand-in is labelled with a digest of its inputs, and built again when they change.
#
# It needs Docker and Go; for stand-ins also root or sudo, debootstrap, Maven and npm.
set -euo pipefail
shopt -s inherit_errexit
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../../.." && pwd)

label=rollcall.stand-in
release=bookworm # distroless/base-debian12 is made of it
base=rollcall/stand-in-base:$release
certificates=/etc/ssl/certs/ca-certificates.crt
offline= # why no registry can be asked
as_root=$([ "$(id -u)" = 0 ] || echo sudo)
work=$(mktemp -d)
trap '$as_root rm -rf "$work"' EXIT

fail() { printf 'images.sh: %s\n' "$1" >&2; exit 1; }
inspect() { docker image inspect --format "$2" "$1" 2>/dev/null || true; }
inputs_of() { inspect "$1" "{{index .Config.Labels \"$label\"}}"; }

# named IMAGE prints IMAGE with its tag. All files must name the same one.
named() {
  local names
  names=$(cd "$repo/deploy" && grep -ohE "$1:[a-z0-9.-]+" compose.yaml Dockerfile test/suite/backend_containers_test.go | sort -u)
  [ "$(wc -w <<<"$names")" = 1 ] || fail "the files should name one image $1, and name: $names"
  echo "$names"
}

# pulled NAME: whether the real image is there, or comes from its registry now.
pulled() {
  if [ -n "$(inspect "$1" '{{.Id}}')" ] && [ -z "$(inputs_of "$1")" ]; then return 0; fi
  [ -z "$offline" ] || return 1
  offline=$(docker pull --quiet "$1" 2>&1 >/dev/null) || { printf 'no registry: %s\n' "$offline"; return 1; }
  offline=
}

# build BUILD'S-ARGUMENTS… shows what Docker says only if it fails.
build() { docker build --force-rm "$@" >"$work/log" 2>&1 || fail "$(cat "$work/log")"; }

# stand_in FOLDER NAME builds FOLDER's Dockerfile as NAME, unless it was built from the same inputs:
# the folder's files, and what inputs_FOLDER prints. add_FOLDER adds to the copy of the folder in the
# current directory what only the build needs.
stand_in() {
  local inputs
  inputs=$({ cat "$here/$1"/*; "inputs_$1" "$2"; } | sha256sum | cut -c 1-16)
  [ "$(inputs_of "$2")" != "$inputs" ] || return 0
  printf 'building a stand-in: %s\n' "$2"
  cp -r "$here/$1" "$work/context"
  (cd "$work/context" && "add_$1" "$2")
  build --label "$label=$inputs" --build-arg "BASE=$base" --tag "$2" "$work/context"
  $as_root rm -rf "$work/context"
}

# The base of the others has this machine's certificates, because a proxy's own may be among them.
inputs_debian() { echo "$release"; cat "$certificates"; }
add_debian() {
  command -v debootstrap >/dev/null || fail "a stand-in needs debootstrap: install it"
  $as_root bash rootfs.sh "$release" "$certificates" >rootfs.tar 2>"$work/log" || fail "$(tail "$work/log")"
}

inputs_base() { inspect "$base" '{{.Id}}'; }

inputs_distroless() { inputs_base; }
add_distroless() { :; }

inputs_golang() { inputs_base; go env GOVERSION; }
add_golang() {
  [[ $(go env GOVERSION) == go${1#*:}* ]] || fail "Go is $(go env GOVERSION) here, and cannot stand in for $1"
  cp -r "$(go env GOROOT)" go
}

inputs_kafka() { inputs_base; echo "$1"; cat "$here/../kafkatest/pom.xml"; }
add_kafka() {
  mvn -B -q -C -f "$here/kafka/pom.xml" -Dkafka.version="${1#*:}" dependency:copy-dependencies -DoutputDirectory="$PWD/libs" \
    >"$work/log" 2>&1 || fail "$(tail "$work/log")"
  (cd libs && LC_ALL=C sha256sum -- *.jar) | diff jars.sha256 - ||
    fail "these are not the jars of kafka/jars.sha256; README.md says how to write it anew for another tag"
}

inputs_clickhouse() {
  inputs_base
  (cd "$repo" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$work/server" ./deploy/test/images/clickhouse)
  cat "$work/server" "$repo/deploy/demo/embedded/package-lock.json"
}
add_clickhouse() {
  local version
  "$repo/deploy/demo/embedded/install.sh"
  version=$(sed -n 's|.*"@chdb/lib-linux-x64-gnu": "\(.*\)".*|\1|p' "$repo/deploy/demo/embedded/package.json")
  cp "${CHDB_LIB_PATH:-${XDG_CACHE_HOME:-$HOME/.cache}/rollcall/engine/$version/libchdb.so}" libchdb.so
  cp "$work/server" server
}

inputs_prometheus() { inputs_base; }
add_prometheus() { :; }

inputs_alertmanager() { inputs_base; }
add_alertmanager() { :; }

# image FOLDER IMAGE makes one of the images that others publish, and lists it.
image() {
  local name
  name=$(named "$2")
  if ! pulled "$name"; then
    stand_in debian "$base"
    stand_in "$1" "$name"
  fi
  list "$name"
}

list() {
  printf '%-42s %5d MB  %s\n' "$1" "$(($(inspect "$1" '{{.Size}}') / 1000000))" "$([ -z "$(inputs_of "$1")" ] || echo 'stand-in')"
}

image distroless gcr.io/distroless/base-debian12
image golang golang
image kafka apache/kafka
image clickhouse clickhouse/clickhouse-server
image prometheus prom/prometheus
image alertmanager prom/alertmanager

# Grafana has no stand-in: what needs it does without where no registry answers.
grafana=$(named grafana/grafana)
if pulled "$grafana"; then list "$grafana"; else printf '%-42s      none\n' "$grafana"; fi

# The product's image is built from what is checked out, always by its own Dockerfile. Its build stage
# gets a name, so that `docker system prune` leaves the modules that are in it. An image inherits the
# labels of its base: this one is no stand-in. Its own have what the binary says of itself.
build --file "$repo/deploy/Dockerfile" --target build --tag rollcall-build "$repo"
says=$(docker run --rm rollcall-build /rollcall version)
build --file "$repo/deploy/Dockerfile" --label "$label=" --tag rollcall \
  --build-arg "VERSION=$(sed -n 's/^rollcall //p' <<<"$says")" --build-arg "REVISION=$(sed -n 's/^commit //p' <<<"$says")" "$repo"
list rollcall
