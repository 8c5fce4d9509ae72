#!/usr/bin/env bash
# Create the missing secrets of the compose file; existing ones do not change.
#
#   deploy/make-secrets.sh [FOLDER]     deploy/secrets by default
#
# Only its owner can enter the folder. Containers read the files in it as other users: those of LiveTwin by the group of
# its image, those of other images by the permissions of others.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder="${1:-deploy/secrets}"
GROUP=10001 # deploy/image/Dockerfile

mkdir -p "$folder"
chmod 700 "$folder"

# 32 letters and digits: 190 bits, without characters that are special in a URL or a shell.
random() { head -c 1024 /dev/urandom | LC_ALL=C tr -dc 'A-Za-z0-9' | head -c 32; }

# secret READER NAME VALUE: create a secret unless it exists.
secret() {
  local reader="$1" name="$2" value="$3"
  [ -s "$folder/$name" ] && return
  printf '%s\n' "$value" >"$folder/$name.new"
  # Only root can assign a file to that group.
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
[ -s "$folder/dossier_key" ] || secret ours dossier_key "$(openssl genpkey -algorithm ed25519)"
for name in database_password grafana_password; do
  secret theirs "$name" "$(random)"
done
secret ours database_url "postgresql://livetwin:$(cat "$folder/database_password")@timescaledb:5432/livetwin"

# Folders for `docker compose run --rm credentials` and for `migrate`, which run as the user of the image.
for place in accounts mqtt database-roles; do
  mkdir -p "$folder/$place"
  chown "$GROUP:$GROUP" "$folder/$place" 2>/dev/null && chmod 750 "$folder/$place" || chmod 777 "$folder/$place"
done

# The account of each role at the database: `migrate` sets the password in it.
for role in ingest stream historian alerting outlets api; do
  secret ours "database-roles/$role" "postgresql://livetwin_$role:$(random)@timescaledb:5432/livetwin"
done
