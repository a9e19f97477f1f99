#!/usr/bin/env bash
# PostgreSQL 15: the usual way to take jobs from a queue table, DELETE … WHERE ctid IN (SELECT … FOR UPDATE SKIP LOCKED), writes
# two WAL records for each row: one for the lock, one for the deletion.
#
# The good guess: a lock on a row is a matter of memory, and one that the same statement turns into a deletion leaves only the
# deletion behind; so SKIP LOCKED costs a queue nothing but the look.
#
# What it does: a row's lock is written into the row, and logged (Heap/LOCK, 54 bytes), before the deletion is (Heap/DELETE,
# 54 bytes). Taking 1,000 rows logs 2,000 records instead of 1,000, and half of the bytes are the locks'.
#
# So: where a queue can know otherwise that nobody else takes the same rows at this moment (an advisory lock for the one who looks,
# and xmax = 0 in the rows), a plain DELETE is half of the WAL. It then has to bound how long it may wait for a row.
#
# Runs, from a temporary folder, Debian 12's PostgreSQL 15, pinned, and counts with its own pg_walinspect.
set -euo pipefail

debian=15.20-0+deb12u1
folder=$(mktemp -d)
as=()
if [ "$(id -u)" = 0 ]; then as=(setpriv --reuid=65534 --regid=65534 --clear-groups); fi
trap '"${as[@]}" "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"
apt-get download -qq "postgresql-15=$debian" "postgresql-client-15=$debian" "libpq5=$debian" >/dev/null
for package in *.deb; do dpkg -x "$package" root; done
bin=$folder/root/usr/lib/postgresql/15/bin
export LD_LIBRARY_PATH=$folder/root/usr/lib/$(uname -m)-linux-gnu
install -d data socket
if [ "$(id -u)" = 0 ]; then chown 65534:65534 data socket; fi
share=$folder/root/usr/share/postgresql/15
"${as[@]}" "$bin/initdb" -D data -U tester -A trust -L "$share" >/dev/null
"${as[@]}" "$bin/pg_ctl" -D data -l data/log -w \
    -o "-c listen_addresses='' -c unix_socket_directories=$folder/socket -c autovacuum=off" start >/dev/null
ask() { "${as[@]}" "$bin/psql" -XqAt -h "$folder/socket" -U tester -d postgres "$@"; }

ask -c "CREATE EXTENSION pg_walinspect" -c "CREATE TABLE job (pk bigint)"
# How many records of each kind a statement writes for the rows of the table, and how many bytes they have.
records() {
    ask -c "INSERT INTO job SELECT generate_series(1, 1000)" -c "VACUUM job" -c "CHECKPOINT" -c "SELECT count(*) FROM job" >/dev/null
    # The first change of each page after a checkpoint logs the page: not what is counted here.
    ask -c "BEGIN" -c "SELECT 1 FROM job FOR UPDATE" -c "ROLLBACK" >/dev/null
    local from to
    from=$(ask -c "SELECT pg_current_wal_insert_lsn()")
    ask -c "$1" >/dev/null
    to=$(ask -c "SELECT pg_current_wal_insert_lsn()")
    ask -c "SELECT string_agg(format('%s %s of %s bytes', w.n, w.record_type, w.bytes), ', ' ORDER BY w.record_type DESC)
        FROM (SELECT record_type, count(*) AS n, sum(record_length) / count(*) AS bytes
            FROM pg_get_wal_records_info('$from', '$to')
            WHERE resource_manager = 'Heap' GROUP BY record_type) AS w"
}
skip_locked=$(records "DELETE FROM job WHERE ctid = ANY (ARRAY(SELECT ctid FROM job FOR UPDATE SKIP LOCKED))")
plain=$(records "DELETE FROM job WHERE ctid = ANY (ARRAY(SELECT ctid FROM job))")
echo "with FOR UPDATE SKIP LOCKED: $skip_locked"
echo "without:                     $plain"
if [ "$skip_locked" != "1000 LOCK of 54 bytes, 1000 DELETE of 54 bytes" ] || [ "$plain" != "1000 DELETE of 54 bytes" ]; then
    echo "this has changed" >&2
    exit 1
fi
