//! A table of a million rows, somebody who writes to it all the time, and a step that changes everything about it.
//!
//! What counts is how long the writer waits for a lock that the migration holds or stands in line for, by PostgreSQL's own
//! account (`pg_locks.waitstart`, `pg_blocking_pids`): a machine that is busy with other tests makes a write slow, but
//! makes it no wait for the migration.

use std::time::{Duration, Instant};

use anyhow::Result;
use specql_compiler::SourceFile;
use specql_runtime::testing::TestDatabase;
use specql_tests::migrations::{Folder, apply, file};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use tokio::sync::watch;

/// Nobody may be kept waiting for longer.
const LONGEST: Duration = Duration::from_millis(200);

const ACCOUNT: &str = "entity: Account\nschema: sales\nfields: {name: text}\n";

const BEFORE: &str = "entity: Order
schema: sales
fields:
  number: text
  total: integer!
  note: text
  status: enum(new, paid)! = new
";

/// A required column with a default, a CHECK on a new column, a reference with its index, a column that becomes unique,
/// one that becomes required, and a value more in an enum.
const AFTER: &str = "entity: Order
schema: sales
fields:
  number: {type: text, unique: true}
  total: integer!
  note: text!
  status: enum(new, paid, lost)! = new
  weight: integer! = 0
  priority: enum(low, high)
  account: ref(sales.Account)
";

const ROWS: &str = "
    INSERT INTO sales.tb_account (name) VALUES ('one');
    ALTER TABLE sales.tb_order DROP CONSTRAINT uq_order__id;
    INSERT INTO sales.tb_order (number, total, note) SELECT n::text, n, 'a note' FROM generate_series(1, 1000000) AS n;
    ALTER TABLE sales.tb_order ADD CONSTRAINT uq_order__id UNIQUE (id);
    ANALYZE sales.tb_order;
    -- A vacuum that comes along would stand in the way of anybody's change, for a second.
    ALTER TABLE sales.tb_order SET (autovacuum_enabled = off)";

/// The same change, as a person in a hurry writes it.
const PLAIN: &str = "
    ALTER TABLE sales.tb_order
        ADD COLUMN weight INTEGER NOT NULL DEFAULT 0,
        ADD COLUMN priority TEXT CHECK (priority IN ('low', 'high')),
        ADD COLUMN fk_account INTEGER REFERENCES sales.tb_account (pk_account),
        ADD CONSTRAINT uq_order__number UNIQUE (number),
        ALTER COLUMN note SET NOT NULL,
        DROP CONSTRAINT ck_order__status,
        ADD CONSTRAINT ck_order__status CHECK (status IN ('new', 'paid', 'lost'));
    CREATE INDEX idx_order__account ON sales.tb_order (fk_account)";

fn project(order: &str) -> [SourceFile; 2] {
    [file("entities/account.yaml", ACCOUNT), file("entities/order.yaml", order)]
}

async fn pid(connection: &mut PgConnection) -> Result<i32> {
    Ok(sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(connection).await?)
}

/// Changes old rows and adds new ones until it is told to stop. How often, and how long the slowest write took.
async fn write(mut connection: PgConnection, stop: watch::Receiver<bool>) -> Result<(i64, Duration)> {
    let (mut writes, mut slowest) = (0, Duration::ZERO);
    while !*stop.borrow() {
        let began = Instant::now();
        sqlx::query("UPDATE sales.tb_order SET total = total + 1 WHERE pk_order = $1")
            .bind(i32::try_from(writes * 7919 % 1_000_000 + 1)?)
            .execute(&mut connection)
            .await?;
        sqlx::query("INSERT INTO sales.tb_order (number, total, note) VALUES ($1, 0, 'new')")
            .bind(format!("n{writes}"))
            .execute(&mut connection)
            .await?;
        slowest = slowest.max(began.elapsed());
        writes += 1;
    }
    Ok((writes, slowest))
}

/// Looks, until it is told to stop, how long the writer has been waiting for the migration. The longest that was seen.
async fn look(pool: PgPool, writer: i32, migration: i32, stop: watch::Receiver<bool>) -> Result<Duration> {
    let mut connection = pool.acquire().await?;
    let mut longest = Duration::ZERO;
    while !*stop.borrow() {
        let waited: Option<f64> = sqlx::query_scalar(
            "SELECT extract(epoch FROM clock_timestamp() - l.waitstart)::float8
            FROM pg_locks AS l
            WHERE l.pid = $1 AND NOT l.granted AND l.waitstart IS NOT NULL AND $2 = ANY (pg_blocking_pids($1))",
        )
        .bind(writer)
        .bind(migration)
        .fetch_optional(&mut *connection)
        .await?
        .flatten();
        longest = longest.max(Duration::from_secs_f64(waited.unwrap_or_default().max(0.0)));
        // Which leaves the processor to those that are looked at.
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    Ok(longest)
}

/// How long the writer was kept waiting by what is done to this connection.
async fn waits(
    pool: &PgPool,
    writer: i32,
    connection: &mut PgConnection,
    migrate: impl AsyncFnOnce(&mut PgConnection) -> Result<()>,
) -> Result<Duration> {
    let (stop, stopped) = watch::channel(false);
    let looking = tokio::spawn(look(pool.clone(), writer, pid(connection).await?, stopped));
    let done = migrate(connection).await;
    stop.send_replace(true);
    let longest = looking.await??;
    done?;
    Ok(longest)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_to_a_million_rows_is_not_kept_waiting() -> Result<()> {
    let mut folder = Folder::default();
    let first = folder.build(&project(BEFORE))?;
    folder.seal(&project(BEFORE), &first.schema)?;
    let second = folder.build(&project(AFTER))?;
    let database = TestDatabase::from_sql(&first.schema.render()).await?;
    let began = Instant::now();
    sqlx::raw_sql(AssertSqlSafe(ROWS)).execute(database.pool()).await?;
    println!("a million rows after {:.1?}", began.elapsed());

    let mut connection = database.pool().acquire().await?;
    let mut writing = database.pool().acquire().await?.detach();
    let writer = pid(&mut writing).await?;
    let (stop, stopped) = watch::channel(false);
    let writes = tokio::spawn(write(writing, stopped));
    let plain = waits(database.pool(), writer, &mut connection, async |connection| {
        let mut transaction = connection.begin().await?;
        sqlx::raw_sql(PLAIN).execute(&mut *transaction).await?;
        Ok(transaction.rollback().await?)
    })
    .await?;
    println!("the plain change after {:.1?}: the writer waited for {plain:?}", began.elapsed());
    let emitted =
        waits(database.pool(), writer, &mut connection, async |connection| apply(connection, &second.step).await)
            .await?;
    stop.send_replace(true);
    let (writes, slowest) = writes.await??;
    println!(
        "the step after {:.1?}: the writer waited for {emitted:?}; {writes} writes, the slowest took {slowest:?}",
        began.elapsed()
    );
    assert!(plain > LONGEST, "a change that locks the table is not noticed: {plain:?}");
    assert!(emitted <= LONGEST, "the writer was kept waiting for {emitted:?} by {:#?}", second.step);
    Ok(())
}
