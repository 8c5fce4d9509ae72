#!/usr/bin/env bash
# Create the missing secrets of the compose file; existing ones do not change, except a certificate that expires soon.
#
#   deploy/make-secrets.sh [FOLDER]     deploy/secrets by default
#
# Only its owner can enter the folder. Containers read the files in it as other users: those of LiveTwin by the group of
# its image, those of other images by the permissions of others.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder="${1:-deploy/secrets}"
GROUP=10001 # deploy/image/Dockerfile
AUTHORITY_DAYS=7300
CERTIFICATE_DAYS=3650
RENEWAL_S=31536000 # a certificate that expires within a year is replaced

mkdir -p "$folder"
chmod 700 "$folder"

# 32 letters and digits: 190 bits, without characters that are special in a URL or a shell.
random() { head -c 1024 /dev/urandom | LC_ALL=C tr -dc 'A-Za-z0-9' | head -c 32; }

# secret READER NAME VALUE: create a secret unless it exists. No container reads those of the reader `owner`.
secret() {
  local reader="$1" name="$2" value="$3"
  [ -s "$folder/$name" ] && return
  printf '%s\n' "$value" >"$folder/$name.new"
  # Only root can assign a file to that group.
  if [ "$reader" = owner ]; then
    chmod 400 "$folder/$name.new"
  elif [ "$reader" = ours ] && chgrp "$GROUP" "$folder/$name.new" 2>/dev/null; then
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
[ -s "$folder/push_key" ] || secret ours push_key "$(openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256)"
for name in database_password grafana_password; do
  secret theirs "$name" "$(random)"
done
secret ours database_url "postgresql://livetwin:$(cat "$folder/database_password")@timescaledb:5432/livetwin"

# Folders for `docker compose run --rm credentials`, `migrate` and `topics`, which run as the user of the image.
for place in accounts mqtt database-roles kafka-roles; do
  mkdir -p "$folder/$place"
  chown "$GROUP:$GROUP" "$folder/$place" 2>/dev/null && chmod 750 "$folder/$place" || chmod 777 "$folder/$place"
done

# The account of each role at the database: `migrate` sets the password in it.
for role in ingest stream historian alerting outlets api; do
  secret ours "database-roles/$role" "postgresql://livetwin_$role:$(random)@timescaledb:5432/livetwin"
done

# The password of each role at Kafka, where `topics` creates its account.
for role in ingest stream historian alerting outlets api; do
  secret ours "kafka-roles/$role" "$(random)"
done

# TLS between containers: certificates of an authority of our own, whose key no container gets.
mkdir -p "$folder/tls"
draft="$(mktemp -d "$folder/.tls.XXXXXX")"
trap 'rm -rf "$draft"' EXIT

# certify NAME DAYS EXTENSIONS [OPTIONS…]: make a key and a certificate in the draft.
certify() {
  local name="$1" days="$2" extensions="$3"
  shift 3
  printf '[req]\ndistinguished_name=name\n[name]\n[extensions]\n%s\n' "$extensions" >"$draft/$name.cnf"
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$draft/$name.key"
  openssl req -x509 -new -sha256 -days "$days" -subj "/CN=$name" -key "$draft/$name.key" "$@" \
    -config "$draft/$name.cnf" -extensions extensions -out "$draft/$name.crt" 2>"$draft/log" || {
    cat "$draft/log" >&2
    return 1
  }
}

authority="$folder/tls/ca"
if [ ! -s "$authority.key" ] || [ ! -s "$authority.crt" ]; then
  rm -f "$folder"/tls/*
  certify ca "$AUTHORITY_DAYS" "subjectKeyIdentifier=hash
basicConstraints=critical,CA:TRUE,pathlen:0
keyUsage=critical,keyCertSign,cRLSign"
  secret owner tls/ca.key "$(cat "$draft/ca.key")"
  secret theirs tls/ca.crt "$(cat "$draft/ca.crt")"
fi

# server NAME HOSTS: make tls/NAME.pem, the key and the certificate of a service.
server() {
  local name="$1" hosts="$2" file="$folder/tls/$1.pem"
  if [ -s "$file" ] && ! openssl x509 -noout -checkend "$RENEWAL_S" -in "$file" >/dev/null; then
    printf 'the certificate of %s expires within a year: restart it after this\n' "$name"
    rm "$file"
  fi
  [ ! -s "$file" ] || return 0
  certify "$name" "$CERTIFICATE_DAYS" "subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectAltName=$hosts" -CA "$authority.crt" -CAkey "$authority.key"
  secret theirs "tls/$name.pem" "$(cat "$draft/$name.key" "$draft/$name.crt")"
}
server kafka DNS:kafka,DNS:localhost # localhost: for tools in its container
server timescaledb DNS:timescaledb,DNS:localhost
