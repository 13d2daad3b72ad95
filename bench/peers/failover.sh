#!/bin/bash
# Bring one service's data into place at the DR site: SERVICE SITE-OF-ITS-STREAM|- DATABASES FOLDERS
set -euo pipefail
service=$1 site=$2 databases=$3 folders=$4
work=$(mktemp -d /var/tmp/peer-XXXXXX)
chmod 711 "$work"
trap 'rm -rf "$work"' EXIT
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
as() { setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"; }

put() { # a dump's folder, its roles, the database
    as "$bin/psql" -qX -d postgres -f "$2" >/dev/null 2>&1 || true  # roles that exist already
    as "$bin/psql" -qX -d postgres -c "DROP DATABASE IF EXISTS \"$3\" WITH (FORCE)"
    as "$bin/pg_restore" --create --exit-on-error --jobs=2 --dbname=postgres "$1"
    as "$bin/psql" -qX -d "$3" -c ANALYZE
}

if [ "$site" != - ] && [ -n "$databases" ]; then
    archive=/srv/netdr-pg/$site/current
    base=$(ls -t "$archive"/base/*.json | head -1)
    install -d -o postgres -g postgres -m 700 "$work/pg"
    cp -a "${base%.json}" "$work/pg/data"
    cp -a "$archive/wal" "$work/pg/wal"
    for part in "$work"/pg/wal/*.partial; do [ ! -e "$part" ] || mv "$part" "${part%.partial}"; done
    cat >"$work/pg/data/postgresql.auto.conf" <<EOF
restore_command = 'cp $work/pg/wal/%f %p'
EOF
    : >"$work/pg/data/postgresql.conf"
    echo 'local all all trust' >"$work/pg/data/pg_hba.conf"
    touch "$work/pg/data/recovery.signal"
    chown -R postgres: "$work/pg"
    as "$bin/pg_ctl" -s -w -t 300 -D "$work/pg/data" -l "$work/pg/log" \
        -o "-c listen_addresses= -c unix_socket_directories=$work/pg -c fsync=off -c max_prepared_transactions=64" start
    until [ "$(as "$bin/psql" -qXAt -h "$work/pg" -d postgres -c 'SELECT pg_is_in_recovery()')" = f ]; do sleep 0.05; done
    for database in $databases; do
        as "$bin/pg_dump" -h "$work/pg" --format=directory --compress=0 --jobs=2 --file="$work/pg/$database" "$database"
        as "$bin/pg_dumpall" -h "$work/pg" --roles-only >"$work/pg/roles.sql"
        put "$work/pg/$database" "$work/pg/roles.sql" "$database"
    done
    as "$bin/pg_ctl" -s -m immediate -D "$work/pg/data" stop
fi

if [ "$site" = - ] || [ -n "$folders" ]; then
    restic restore latest --quiet --no-cache --target "$work/tree" \
        --repository-file "/etc/netdr/backup/$service/disk.repository" \
        --password-file "/etc/netdr/backup/$service/standby.password"
fi
if [ "$site" = - ]; then
    for database in $databases; do
        dump=$(find "$work/tree" -type d -name dump -path "*$database*" | head -1)
        chown -R postgres: "$dump" && chmod -R go+rX "$work/tree"
        put "$dump" "${dump%/dump}/roles.sql" "$database"
    done
fi
for folder in $folders; do
    mkdir -p "$(dirname "$folder")"
    rm -rf "$folder"
    mv "$work/tree/files$folder" "$folder"
done
