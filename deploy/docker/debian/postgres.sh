#!/bin/sh
# Makes the cluster and the database the first time, then runs what it is told.
set -eu
if [ ! -s "$PGDATA/made" ]; then
    rm -rf "$PGDATA"
    initdb --username=postgres --pwfile="$POSTGRES_PASSWORD_FILE" --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 >/dev/null
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    echo "CREATE DATABASE \"$POSTGRES_DB\"" | postgres --single -D "$PGDATA" postgres >/dev/null
    echo yes >"$PGDATA/made"
fi
exec "$@" -c listen_addresses='*'
