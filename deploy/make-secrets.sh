#!/usr/bin/env bash
# Makes the secrets of the compose file: those that are missing, and only them.
#
#   deploy/make-secrets.sh [FOLDER]     deploy/secrets by default
#
# The folder admits its owner alone. Containers read the files in it as other users: LiveTwin's as the group of its
# image, those of other images as everybody.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder="${1:-deploy/secrets}"
GROUP=10001 # deploy/image/Dockerfile

mkdir -p "$folder"
chmod 700 "$folder"

# 32 letters and digits: 190 bits, and nothing that an URL or a shell reads otherwise.
random() { head -c 1024 /dev/urandom | LC_ALL=C tr -dc 'A-Za-z0-9' | head -c 32; }

# secret READER NAME VALUE: what is there stays.
secret() {
  local reader="$1" name="$2" value="$3"
  [ -s "$folder/$name" ] && return
  printf '%s\n' "$value" >"$folder/$name.new"
  # Only root may give a file to that group.
  if [ "$reader" = ours ] && chgrp "$GROUP" "$folder/$name.new" 2>/dev/null; then
    chmod 440 "$folder/$name.new"
  else
    chmod 444 "$folder/$name.new"
  fi
  mv "$folder/$name.new" "$folder/$name"
  printf 'made %s\n' "$folder/$name"
}

for name in pseudonym_key operator_key link_key; do
  secret ours "$name" "$(random)"
done
for name in database_password grafana_password; do
  secret theirs "$name" "$(random)"
done
secret ours database_url "postgresql://livetwin:$(cat "$folder/database_password")@timescaledb:5432/livetwin"

# Where `docker compose run --rm credentials` writes, which runs as LiveTwin's user.
for place in accounts mqtt; do
  mkdir -p "$folder/$place"
  chown "$GROUP:$GROUP" "$folder/$place" 2>/dev/null && chmod 750 "$folder/$place" || chmod 777 "$folder/$place"
done
