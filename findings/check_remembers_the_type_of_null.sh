#!/usr/bin/env bash
# PostgreSQL 15: a CHECK with a bare NULL keeps its column from becoming an array of another type.
#
# The good guess: ALTER TABLE … ALTER COLUMN … TYPE makes the column's constraints anew from their text. A polymorphic function and a
# bare NULL say nothing of a type, so CHECK (array_position(tags, NULL) IS NULL) fits any array, and one column of text[] and one of
# integer[] could have the very same text.
#
# What it does: the NULL was given a type when the constraint was made, and the text that PostgreSQL makes of it later says so:
# NULL::text. Made anew for integer[], it looks for array_position(integer[], text), which does not exist, and the ALTER fails,
# although every value could be cast, and although the same CHECK can be added to the new column.
#
# So: a tool that compares constraints by the text they were written in, and sees no difference, must drop such a constraint before
# the change of the type and add it again behind it.
#
# Runs, from a temporary folder, Debian 12's PostgreSQL 15, pinned.
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
"${as[@]}" "$bin/initdb" -D data -U tester -A trust -L "$folder/root/usr/share/postgresql/15" >/dev/null
"${as[@]}" "$bin/pg_ctl" -D data -l data/log -w \
    -o "-c listen_addresses='' -c unix_socket_directories=$folder/socket" start >/dev/null
ask() { "${as[@]}" "$bin/psql" -XqAt -h "$folder/socket" -U tester -d postgres "$@" 2>&1; }

ask -c "CREATE TABLE note (tags text[] CONSTRAINT whole CHECK (array_position(tags, NULL) IS NULL)); INSERT INTO note VALUES ('{1,2}')"
seen="kept as: $(ask -c "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'whole'")
$(ask -c "ALTER TABLE note ALTER COLUMN tags TYPE integer[] USING tags::integer[]" | head -1)
dropped and added again: $(ask -c "ALTER TABLE note DROP CONSTRAINT whole, ALTER COLUMN tags TYPE integer[] USING tags::integer[],
    ADD CONSTRAINT whole CHECK (array_position(tags, NULL) IS NULL)" && ask -c "SELECT tags FROM note")"
expected='kept as: CHECK ((array_position(tags, NULL::text) IS NULL))
ERROR:  function array_position(integer[], text) does not exist
dropped and added again: {1,2}'
echo "$seen"
[ "$seen" = "$expected" ] || { echo "it has changed: see the head of this file" >&2; exit 1; }
