#!/usr/bin/env bash
# PgBouncer 1.18 in transaction mode: a client that is alone keeps one and the same server session; a second one is given it, too.
#
# The good guess: with pool_mode = transaction a client gets some server connection for each transaction, so two transactions of one
# client that compare pg_backend_pid() show the pooler, and a setting of the session is soon gone. A check at start would do.
#
# What it does: the connection that was used last is given out first. While nobody else is there every transaction of a client runs
# in the same session, and what it sets with SET stays. The check passes, and the program fails under load. What shows the pooler
# without any load is a second client: it is given the first one's session, with the first one's settings.
#
# So: to find out whether a pooler is in between, open two connections, and compare the sessions that they are given one after the
# other. Two real sessions are never the same.
#
# Runs, from a temporary folder, Debian 12's PostgreSQL 15 and PgBouncer, both pinned.
set -euo pipefail

debian=15.20-0+deb12u1
folder=$(mktemp -d)
as=()
if [ "$(id -u)" = 0 ]; then as=(setpriv --reuid=65534 --regid=65534 --clear-groups); fi
programs=$folder/root/usr/lib/postgresql/15/bin
trap 'kill $(cat "$folder/run/pgbouncer.pid" 2>/dev/null) 2>/dev/null || true; "${as[@]}" "$programs/pg_ctl" -D "$folder/run/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"
apt-get download -qq "postgresql-15=$debian" "postgresql-client-15=$debian" "libpq5=$debian" \
    pgbouncer=1.18.0-1+deb12u1 libc-ares2 libevent-2.1-7 >/dev/null
for package in *.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH=$folder/root/usr/lib/$(uname -m)-linux-gnu
install -d run
cat > run/pgbouncer.ini <<INI
[databases]
postgres = host=$folder/run port=5432
[pgbouncer]
pool_mode = transaction
listen_port = 6432
unix_socket_dir = $folder/run
auth_type = any
logfile = $folder/run/pgbouncer.log
pidfile = $folder/run/pgbouncer.pid
INI
sed -i 's/^postgres = /&user=tester /' run/pgbouncer.ini
if [ "$(id -u)" = 0 ]; then chown -R 65534:65534 run; fi
"${as[@]}" "$programs/initdb" -D run/data -U tester -A trust -L "$folder/root/usr/share/postgresql/15" >/dev/null
"${as[@]}" "$programs/pg_ctl" -D run/data -l run/log -w \
    -o "-c listen_addresses='' -c unix_socket_directories=$folder/run" start >/dev/null
"${as[@]}" root/usr/sbin/pgbouncer -d run/pgbouncer.ini >/dev/null 2>&1
sleep 1

# Two clients that stay connected, each a psql that reads what it is told.
ask() { "$programs/psql" -X -q -A -t -h "$folder/run" -p 6432 -U tester postgres; }
coproc FIRST { ask; }
first_in=${FIRST[1]} first_out=${FIRST[0]}
say() { echo "$1" >&"$first_in"; read -r answer <&"$first_out"; echo "$answer"; }
one=$(say "SELECT pg_backend_pid();")
echo "SET lock_timeout = '77s';" >&"$first_in"
for _ in 1 2 3 4 5 6 7 8 9; do two=$(say "SELECT pg_backend_pid();"); [ "$two" = "$one" ] || break; done
name=$(say "SELECT current_setting('lock_timeout');")
other=$(echo "SELECT pg_backend_pid();" | ask)
seen="ten transactions of a lone client: $([ "$two" = "$one" ] && echo "one session" || echo "several"), its setting: $name
a second client, while the first is connected: $([ "$other" = "$one" ] && echo "the same session" || echo "another")"
expected='ten transactions of a lone client: one session, its setting: 77s
a second client, while the first is connected: the same session'
echo "$seen"
[ "$seen" = "$expected" ] || { echo "it has changed: see the head of this file" >&2; exit 1; }
