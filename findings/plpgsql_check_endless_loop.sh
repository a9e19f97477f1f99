#!/usr/bin/env bash
# plpgsql_check 2.3.0 on PostgreSQL 15: a loop that is left by RETURN alone.
#
# The good guess: PL/pgSQL's LOOP without EXIT ends by RETURN or by an error only, and plpgsql_check, which follows the flow of
# control (it knows unreachable code, and a RETURN that is missing behind an IF), knows that nothing comes after such a loop.
#
# What it does: a LOOP, or WHILE true, whose RETURN stands under a condition is reported with
#   warning extra:2F005:control reached end of function without RETURN
# as if the loop could be left. A bare RETURN in it is understood. PostgreSQL runs the functions without complaint.
#
# So where a build wants plpgsql_check to have nothing to say, a retry loop is written with a variable that ends it
# (WHILE _found IS NULL LOOP ... END LOOP; RETURN _found), and not with RETURN in the middle.
#
# Runs Debian 12's packages from a temporary folder, pinned; needs apt-get's lists and the libraries of an installed PostgreSQL client.
set -euo pipefail

server=15.20-0+deb12u1
extension=2.3.0-1
folder=$(mktemp -d)
trap '"${as[@]}" "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$folder"' EXIT
as=()
if [ "$(id -u)" = 0 ]; then as=(setpriv --reuid=65534 --regid=65534 --clear-groups); fi

cd "$folder"
apt-get download -qq "postgresql-15=$server" "postgresql-client-15=$server" "libpq5=$server" \
    "postgresql-15-plpgsql-check=$extension" >/dev/null
for package in *.deb; do dpkg -x "$package" root; done
bin=$folder/root/usr/lib/postgresql/15/bin
export LD_LIBRARY_PATH=$folder/root/usr/lib/$(uname -m)-linux-gnu
chmod 755 "$folder"
install -d "$folder/data" "$folder/socket"
if [ "$(id -u)" = 0 ]; then chown 65534:65534 "$folder/data" "$folder/socket"; fi
"${as[@]}" "$bin/initdb" -D "$folder/data" -U tester -A trust -L "$folder/root/usr/share/postgresql/15" >/dev/null
"${as[@]}" "$bin/pg_ctl" -D "$folder/data" -l "$folder/data/log" -w \
    -o "-c listen_addresses='' -c unix_socket_directories=$folder/socket" start >/dev/null

seen=$("$bin/psql" -X -q -A -t -h "$folder/socket" -U tester postgres <<'SQL'
CREATE EXTENSION plpgsql_check;
CREATE FUNCTION loops(n integer) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    LOOP
        n := n + 1;
        IF n > 3 THEN RETURN n; END IF;
    END LOOP;
END $$;
CREATE FUNCTION whiles(n integer) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    WHILE true LOOP
        n := n + 1;
        IF n > 3 THEN RETURN n; END IF;
    END LOOP;
END $$;
CREATE FUNCTION returns_at_once(n integer) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    LOOP
        RETURN n;
    END LOOP;
END $$;
SELECT extversion FROM pg_extension WHERE extname = 'plpgsql_check';
SELECT 'loops: ' || coalesce((SELECT string_agg(c, ' ') FROM plpgsql_check_function('loops(integer)') AS c), 'nothing');
SELECT 'whiles: ' || coalesce((SELECT string_agg(c, ' ') FROM plpgsql_check_function('whiles(integer)') AS c), 'nothing');
SELECT 'returns_at_once: ' || coalesce((SELECT string_agg(c, ' ') FROM plpgsql_check_function('returns_at_once(integer)') AS c), 'nothing');
SELECT 'they answer: ' || concat_ws(' ', loops(0), whiles(0), returns_at_once(0));
SQL
)
expected='2.3
loops: warning extra:2F005:control reached end of function without RETURN
whiles: warning extra:2F005:control reached end of function without RETURN
returns_at_once: nothing
they answer: 4 4 0'
echo "$seen"
[ "$seen" = "$expected" ] || { echo "it has changed: see the head of this file" >&2; exit 1; }
