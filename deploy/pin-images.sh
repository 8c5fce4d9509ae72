#!/usr/bin/env bash
# Pin the images that docker-compose.yml names by digest, so that a tag which somebody moves changes nothing.
#
#   deploy/pin-images.sh             look up the digest of each image, and write name:tag@digest into .env
#   deploy/pin-images.sh --upgrade   the same, with the versions of docker-compose.yml instead of those in .env
#   deploy/pin-images.sh --check     exit 1 unless .env has a digest for each image; asks no registry
#
# The lookup needs Docker with buildx, and the registries. Nothing is written unless every digest was found. ENV_FILE
# names another file than .env.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
env_file="${ENV_FILE:-.env}"
LOOKUP_TIMEOUT_S=60

fail() {
  printf 'pin-images: error: %s\n' "$*" >&2
  exit "${status:-1}"
}

mode="${1:-pin}"
case "$mode" in
  pin | --upgrade | --check) ;;
  *) status=2 fail "found $mode, expected --upgrade, --check or nothing" ;;
esac

# "VARIABLE IMAGE" of each image, as the compose file has it. Our own image is built here: LIVETWIN_IMAGE_BASE is its base.
named() { sed -n 's/.*\${\(LIVETWIN_IMAGE_[A-Z]*\):-\([^}]*\)}.*/\1 \2/p' docker-compose.yml | sort -u; }

# The image of a variable in .env; empty if it is not set there.
set_to() { [ ! -f "$env_file" ] || sed -n "s/^$1=//p" "$env_file" | tail -n 1; }

faults=0
pins=()
while read -r variable default; do
  found="$(set_to "$variable")"
  if [ "$mode" = --check ]; then
    if ! [[ "$found" =~ @sha256:[0-9a-f]{64}$ ]]; then
      echo "$variable: found ${found:-nothing} in $env_file, expected a digest: deploy/pin-images.sh writes it" >&2
      faults=1
    elif [ "${found%@*}" != "$default" ]; then
      echo "$variable: ${found%@*} is pinned; docker-compose.yml has $default: deploy/pin-images.sh --upgrade takes it"
    fi
    continue
  fi
  image="${found%@*}"
  [ "$mode" = pin ] && [ -n "$image" ] || image="$default"
  digest="$(timeout "$LOOKUP_TIMEOUT_S" docker buildx imagetools inspect "$image" --format '{{.Manifest.Digest}}')" ||
    fail "$variable: the digest of $image was not found; $env_file is as it was"
  [[ "$digest" =~ ^sha256:[0-9a-f]{64}$ ]] ||
    fail "$variable: found '$digest' as digest of $image, expected sha256:…; $env_file is as it was"
  pins+=("$variable=$image@$digest")
done < <(named)
[ "$mode" != --check ] || exit "$faults"

# Each pin replaces the line of its variable, also one that is a comment, or is added at the end.
draft="$env_file.new"
trap 'rm -f "$draft"' EXIT
if [ -f "$env_file" ]; then cp -p "$env_file" "$draft"; else cp .env.example "$draft"; fi
for pin in "${pins[@]}"; do
  variable="${pin%%=*}"
  sed -i "/^$variable=/d; 0,/^#$variable=/s|^#$variable=.*|$pin|" "$draft"
  grep -q "^$variable=" "$draft" || printf '%s\n' "$pin" >>"$draft"
  printf '%s\n' "$pin"
done
mv "$draft" "$env_file"
