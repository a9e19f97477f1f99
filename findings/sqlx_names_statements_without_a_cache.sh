#!/usr/bin/env bash
# sqlx 0.9.0: PgConnectOptions::statement_cache_capacity(0) turns the cache off. Statements are prepared under names all the same, and
# stay in the session.
#
# The good guess: names are for the cache. So a capacity of 0 makes sqlx use the unnamed statement, as other drivers do without their
# cache: nothing is left behind in a session, and a pooler that gives each transaction another session is served.
#
# What it does: a statement gets a name wherever its query is persistent, which each query is unless it says otherwise; and only what
# falls out of the cache is closed. Without a cache nothing is ever closed: a query that runs three times leaves sqlx_s_1, sqlx_s_2 and
# sqlx_s_3. Through such a pooler the next client's sqlx_s_1 meets the one that is there. With .persistent(false) there is no name.
#
# So: to turn the cache off makes it worse. Each query says .persistent(false), or the pooler knows prepared statements by itself.
#
# Runs, from a temporary folder, Debian 12's PostgreSQL 15 and sqlx from crates.io, both pinned.
set -euo pipefail

debian=15.20-0+deb12u1
folder=$(mktemp -d)
as=()
if [ "$(id -u)" = 0 ]; then as=(setpriv --reuid=65534 --regid=65534 --clear-groups); fi
trap '"${as[@]}" "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"
apt-get download -qq "postgresql-15=$debian" "postgresql-client-15=$debian" "libpq5=$debian" >/dev/null 2>&1
for package in *.deb; do dpkg -x "$package" root; done
bin=$folder/root/usr/lib/postgresql/15/bin
install -d data socket
if [ "$(id -u)" = 0 ]; then chown 65534:65534 data socket; fi
libraries=$folder/root/usr/lib/$(uname -m)-linux-gnu
LD_LIBRARY_PATH=$libraries "${as[@]}" "$bin/initdb" -D data -U tester -A trust -L "$folder/root/usr/share/postgresql/15" >/dev/null
LD_LIBRARY_PATH=$libraries "${as[@]}" "$bin/pg_ctl" -D data -l data/log -w \
    -o "-c listen_addresses='' -c unix_socket_directories=$folder/socket" start >/dev/null

mkdir -p client/src
cat > client/Cargo.toml <<'TOML'
[package]
name = "client"
edition = "2024"
[workspace]
[dependencies]
sqlx = { version = "=0.9.0", default-features = false, features = ["postgres", "runtime-tokio"] }
tokio = { version = "1", features = ["macros", "rt"] }
TOML
cat > client/src/main.rs <<'RUST'
use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};

/// The names of the statements that the session has prepared.
const NAMES: &str = "SELECT coalesce(string_agg(name, ' ' ORDER BY name), 'none') FROM pg_prepared_statements WHERE name <> ''";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), sqlx::Error> {
    for persistent in [true, false] {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(std::env::args().nth(1).unwrap_or_default())
            .username("tester")
            .database("postgres")
            .statement_cache_capacity(0);
        let mut connection = options.connect().await?;
        let mut seen = String::new();
        for _ in 0..3 {
            seen = sqlx::query_scalar(NAMES).persistent(persistent).fetch_one(&mut connection).await?;
        }
        println!("a capacity of 0, persistent({persistent}): {seen}");
    }
    Ok(())
}
RUST
seen=$(cargo run --quiet --manifest-path client/Cargo.toml -- "$folder/socket")
expected='a capacity of 0, persistent(true): sqlx_s_1 sqlx_s_2 sqlx_s_3
a capacity of 0, persistent(false): none'
echo "$seen"
[ "$seen" = "$expected" ] || { echo "it has changed: see the head of this file" >&2; exit 1; }
