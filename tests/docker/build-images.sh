#!/usr/bin/env bash
# Builds the image of LiveTwin and, from Debian's packages, those of the services that it runs with.
#
#   tests/docker/build-images.sh            all of them
#   tests/docker/build-images.sh livetwin   LiveTwin's alone: the services' are pulled
#
# What a network needs to be built behind is taken from this machine: its bundle of certificates, and which
# registries pip and npm use. Quick when nothing has changed: the engine keeps layers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

BASE=debian:trixie-slim
PULL_TIMEOUT_S=60
BUILD_TIMEOUT_S=1200

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

say() { printf 'images: %s\n' "$*" >&2; }

# Debian from packages, as this machine gets them: its mirror, and how apt speaks to it.
import_base() {
  local mirror
  mirror="$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: trixie' | head -n 1)"
  say "$BASE cannot be pulled: making it with debootstrap"
  timeout "$BUILD_TIMEOUT_S" debootstrap --variant=minbase trixie "$folder/tree" ${mirror:+"$mirror"} \
    >"$folder/debootstrap.log" || {
    tail -n 20 "$folder/debootstrap.log" >&2
    exit 1
  }
  cp -n /etc/apt/apt.conf.d/* "$folder/tree/etc/apt/apt.conf.d/"
  rm -rf "$folder"/tree/var/cache/apt/archives/*.deb "$folder"/tree/var/lib/apt/lists/*
  tar --create --directory "$folder/tree" --numeric-owner . | docker import --change 'CMD ["bash"]' - "$BASE" >/dev/null
  rm -rf "$folder/tree"
}

docker image inspect "$BASE" >/dev/null 2>&1 ||
  timeout "$PULL_TIMEOUT_S" docker pull --quiet "$BASE" >/dev/null 2>&1 ||
  import_base

secrets=()
certificates="${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}"
[ ! -f "$certificates" ] || secrets+=(--secret "id=ca,src=$certificates")
{
  echo '[global]'
  .venv/bin/python -m pip config list 2>/dev/null |
    sed -n "s/^[a-z:.]*\.\(index-url\|extra-index-url\|trusted-host\|proxy\)='\(.*\)'$/\1 = \2/p"
} >"$folder/pip.conf"
echo "registry=$(npm config get registry)" >"$folder/npmrc"
secrets+=(--secret "id=pip,src=$folder/pip.conf" --secret "id=npm,src=$folder/npmrc")

build() {
  local tag="$1"
  shift
  say "building $tag"
  # On the host's network: an engine without a firewall of its own leads no container outside.
  timeout "$BUILD_TIMEOUT_S" docker buildx build --load --quiet --network host --build-arg "BASE_IMAGE=$BASE" \
    "${secrets[@]}" --tag "$tag" "$@" . >"$folder/build.log" 2>&1 || {
    tail -n 60 "$folder/build.log" >&2
    exit 1
  }
}

build livetwin:test --file deploy/image/Dockerfile
[ "${1:-}" = livetwin ] && exit
for service in mosquitto kafka timescaledb prometheus alertmanager; do
  build "livetwin-test:$service" --file tests/docker/images/Dockerfile --target "$service"
done
