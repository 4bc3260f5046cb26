#!/usr/bin/env bash
# Writes random secrets for deploy/compose.yaml into deploy/secrets. Existing ones stay.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# Containers read the files as other users, so the folder keeps other people out.
mkdir -p secrets
chmod 700 secrets
# Keep a copy of this one apart from backups of the database: stored secrets can't be read without it.
if [ ! -e secrets/master-key ]; then
  head -c 32 /dev/urandom | base64 >secrets/master-key
  chmod 644 secrets/master-key
fi
if [ -e secrets/database-url ]; then
  echo 'secrets: deploy/secrets exists; existing secrets were not changed' >&2
  exit 0
fi
random() { head -c 24 /dev/urandom | base64 | tr -d '+/='; }
password=$(random)
key=$(random)
printf %s "$password" >secrets/database-password
printf 'postgresql://skaas:%s@database/skaas' "$password" >secrets/database-url
printf %s "$key" >secrets/s3-secret-key
cat >secrets/s3-users.json <<JSON
{"identities": [{"name": "skaas", "credentials": [{"accessKey": "skaas", "secretKey": "$key"}],
  "actions": ["Admin", "Read", "Write", "List"]}]}
JSON
chmod 644 secrets/*
