//! Time: what is waited for, and what only seems to pass, because rows are moved into the past.

use std::time::{Duration, Instant};

use anyhow::ensure;
use specql_runtime::Database;
use sqlx::types::chrono::{DateTime, Utc};

use crate::seller::Seller;

/// What takes longer has got stuck.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Waits until `is_so` answers true.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> Result<bool, sqlx::Error>) -> anyhow::Result<()> {
    let since = Instant::now();
    while !is_so().await? {
        ensure!(since.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// So many days pass for a seller.
pub(crate) async fn pass(db: &Database, seller: &Seller<'_>, days: i32) -> anyhow::Result<()> {
    let mut transaction = db.begin_as(seller.id).await?;
    // Whoever owns the tables may be a superuser, who sees all rows: so each statement names the tenant.
    for sql in [
        "UPDATE billing.tb_subscription SET starts_on = starts_on - $2, next_bill_on = next_bill_on - $2,
             paid_until = paid_until - $2, ends_on = ends_on - $2
         WHERE tenant_id = $1",
        "UPDATE billing.tb_invoice SET begins_on = begins_on - $2, ends_on = ends_on - $2 WHERE tenant_id = $1",
    ] {
        sqlx::query(sql).bind(seller.id).bind(days).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// An hour passes for the schedule of renewals: the worker finds its time due, and runs it for all sellers.
pub(crate) async fn pass_an_hour(db: &Database) -> anyhow::Result<()> {
    let sql = "UPDATE jobs.tb_schedule SET counted_to = counted_to - interval '1 hour' WHERE name = 'renewals' RETURNING now()";
    let moved: DateTime<Utc> = sqlx::query_scalar(sql).fetch_one(db.pool()).await?;
    let sql =
        "SELECT coalesce(last_run_at > $1, false) AND tenants_waiting = 0 FROM jobs.v_schedule WHERE name = 'renewals'";
    until("`jobs.v_schedule` shows whether the renewals were run", async || {
        sqlx::query_scalar(sql).bind(moved).fetch_one(db.pool()).await
    })
    .await
}
