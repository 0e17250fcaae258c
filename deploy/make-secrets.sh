#!/bin/sh
# Makes the files that compose.yaml mounts as secrets. What is there stays as it is.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets
# The folder keeps other users of this host out. The files can be read by the containers' users,
# whose numbers are not this user's.
chmod 700 secrets

password() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
write() {
    [ -e "secrets/$1" ] || printf '%s\n' "$2" >"secrets/$1"
    chmod 444 "secrets/$1"
}

write postgres_password "$(password)"
write redis_password "$(password)"
write database_url "postgresql://ruie:$(cat secrets/postgres_password)@postgres:5432/ruie"
write query_database_url "postgresql://ruie_reader:$(password)@postgres:5432/ruie"
write redis_url "redis://:$(cat secrets/redis_password)@redis:6379/0"
# The endpoint's key; most endpoints that need none ignore this one.
write llm_api_key "${1:-none}"
# What `ruie web` asks for.
write web_token "$(password)"
