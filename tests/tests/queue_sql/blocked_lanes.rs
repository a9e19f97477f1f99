//! Lanes from which nothing can be claimed now, however many, are in nobody's way.

use std::time::Duration;

use anyhow::Result;
use specql_runtime::queue::{Link, lease::Claim};
use uuid::Uuid;

use crate::support::Queue;

/// `narrow.go` may run once at a time and `shaky.go` has a breaker; `wide.go`, whose limit is wide, has the last lanes of all.
const SERVICES: &str = "SELECT jobs.register_operations('[
    {\"service\": \"narrow\", \"operation\": \"go\", \"timeout_seconds\": 30, \"max_attempts\": 3, \"concurrency\": 1},
    {\"service\": \"shaky\", \"operation\": \"go\", \"timeout_seconds\": 30, \"max_attempts\": 3, \"breaker\": true},
    {\"service\": \"wide\", \"operation\": \"go\", \"timeout_seconds\": 30, \"max_attempts\": 3, \"concurrency\": 1000}]')";

/// A job of each of so many tenants.
async fn queue_for_tenants(queue: &Queue, service: &str, tenants: i32) -> Result<()> {
    sqlx::query(
        "INSERT INTO jobs.tb_job_run (service_name, operation, tenant_id)
        SELECT $1, 'go', format('00000000-0000-0000-0000-%s', lpad(n::text, 12, '0'))::uuid FROM generate_series(1, $2) AS n",
    )
    .bind(service)
    .bind(tenants)
    .execute(queue.db.pool())
    .await?;
    Ok(())
}

async fn codes(queue: &Queue) -> Result<Vec<i32>> {
    Ok(sqlx::query_scalar("SELECT code FROM jobs.operations()").fetch_all(queue.db.pool()).await?)
}

/// The services of the claimed jobs, and whether the claim looked at a part of the lanes only.
async fn claim(session: &mut sqlx::PgConnection, queue: &Queue, limit: i32) -> Result<(Vec<String>, bool)> {
    let codes = codes(queue).await?;
    let claimed: Vec<String> = sqlx::query_scalar(
        "SELECT o.service_name FROM jobs.claim($1, $2, $3) AS c JOIN jobs.tb_operation AS o ON o.code = c.operation_code",
    )
    .bind(queue.worker)
    .bind(codes)
    .bind(limit)
    .fetch_all(&mut *session)
    .await?;
    let partial = "SELECT current_setting('specql.claim_partial', true) IS NOT DISTINCT FROM 'true'";
    let partial: bool = sqlx::query_scalar(partial).fetch_one(&mut *session).await?;
    Ok((claimed, partial))
}

/// Somebody else has the one slot of `narrow`.
async fn use_the_limit_up(queue: &Queue) -> Result<()> {
    let codes = codes(queue).await?;
    let taken =
        sqlx::query("SELECT jobs.claim($1, $2, 1)").bind(Uuid::new_v4()).bind(codes).fetch_all(queue.db.pool()).await?;
    assert_eq!(taken.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_job_behind_all_the_lanes_of_a_limit_that_is_used_up_is_claimed() -> Result<()> {
    let queue = Queue::new().await?;
    queue.run(SERVICES).await?;
    queue_for_tenants(&queue, "narrow", 300).await?;
    use_the_limit_up(&queue).await?;
    queue_for_tenants(&queue, "wide", 1).await?;
    let mut session = queue.db.pool().acquire().await?;
    assert_eq!(claim(&mut session, &queue, 10).await?, (vec!["wide".to_owned()], false));
    assert_eq!(claim(&mut session, &queue, 10).await?, (vec![], false), "what is left is held back");
    Ok(())
}

#[tokio::test]
async fn a_job_behind_all_the_lanes_of_an_open_breaker_is_claimed() -> Result<()> {
    let queue = Queue::new().await?;
    queue.run(SERVICES).await?;
    queue_for_tenants(&queue, "shaky", 300).await?;
    queue
        .run(
            "SELECT jobs.open_breaker(gen_random_uuid(), code, 60000, 60000, 'down')
            FROM jobs.tb_operation WHERE service_name = 'shaky'",
        )
        .await?;
    queue_for_tenants(&queue, "wide", 1).await?;
    let mut session = queue.db.pool().acquire().await?;
    assert_eq!(claim(&mut session, &queue, 10).await?.0, ["wide"]);
    Ok(())
}

#[tokio::test]
async fn a_job_behind_all_the_lanes_of_a_pause_is_claimed() -> Result<()> {
    let queue = Queue::new().await?;
    queue.run(SERVICES).await?;
    queue_for_tenants(&queue, "narrow", 300).await?;
    queue.run("SELECT jobs.pause('narrow')").await?;
    queue_for_tenants(&queue, "wide", 1).await?;
    let mut session = queue.db.pool().acquire().await?;
    assert_eq!(claim(&mut session, &queue, 10).await?.0, ["wide"]);
    Ok(())
}

/// Lanes that are blocked one by one: nothing tells beforehand that none of them can be claimed from.
#[tokio::test]
async fn a_claim_that_looked_at_a_part_says_so_and_the_next_goes_on_until_all_was_seen_once() -> Result<()> {
    let queue = Queue::new().await?;
    queue.run(SERVICES).await?;
    queue_for_tenants(&queue, "narrow", 5_000).await?;
    // As 5,000 calls of jobs.pause would.
    queue
        .run(
            "INSERT INTO jobs.tb_pause (tenant_id)
            SELECT format('00000000-0000-0000-0000-%s', lpad(n::text, 12, '0'))::uuid FROM generate_series(1, 5000) AS n",
        )
        .await?;
    sqlx::query("SELECT jobs.enqueue('wide', 'go')").execute(queue.db.pool()).await?;
    let mut session = queue.db.pool().acquire().await?;
    let (mut got, mut claims) = (Vec::new(), 0);
    loop {
        let (claimed, partial) = claim(&mut session, &queue, 10).await?;
        got.extend(claimed);
        claims += 1;
        if !partial {
            break;
        }
        assert!(claims < 10, "it never comes to an end");
    }
    assert_eq!(got, ["wide"]);
    assert!(claims > 1, "all of 5,000 lanes in one claim");
    // The next round ends, too: a worker that comes again at once does not spin.
    let mut partial = true;
    for _ in 0..claims {
        partial = partial && claim(&mut session, &queue, 10).await?.1;
    }
    assert!(!partial);
    Ok(())
}

/// All tenants are paused: the worker hears of the rest although there is no row to say so.
#[tokio::test]
async fn a_worker_hears_that_a_claim_without_jobs_looked_at_a_part() -> Result<()> {
    let queue = Queue::new().await?;
    queue.run(SERVICES).await?;
    queue_for_tenants(&queue, "narrow", 5_000).await?;
    queue
        .run(
            "INSERT INTO jobs.tb_pause (tenant_id)
            SELECT format('00000000-0000-0000-0000-%s', lpad(n::text, 12, '0'))::uuid FROM generate_series(1, 5000) AS n",
        )
        .await?;
    let operations = codes(&queue).await?;
    let mut link = Link::new(&queue.db.pool().connect_options(), "test", Duration::from_secs(30));
    let claim = Claim { operations: &operations, limit: 10, full_scan: true, running: None };
    let first = link.claim(queue.worker, claim).await?;
    assert!(first.jobs.is_empty() && first.partial);
    let mut claims = 1;
    while link.claim(queue.worker, claim).await?.partial {
        claims += 1;
        assert!(claims < 10, "it never comes to an end");
    }
    Ok(())
}

/// The place from which lane 0 is scanned on lies behind a job that came later with a higher priority. Where claims are full
/// before they come to lane 0, the look at its head that is due is made by the next that does.
#[tokio::test]
async fn a_look_at_the_head_of_the_shared_lane_is_made_up_for() -> Result<()> {
    let queue = Queue::new().await?;
    let mut session = queue.db.pool().acquire().await?;
    let mut take = async |limit: i32, full_scan: bool| -> Result<Vec<Option<Uuid>>> {
        let query = sqlx::query_scalar("SELECT tenant_id FROM jobs.claim($1, $2, $3, $4)")
            .bind(queue.worker)
            .bind(&queue.operations)
            .bind(limit)
            .bind(full_scan);
        Ok(query.fetch_all(&mut *session).await?)
    };
    queue.enqueue("charge", None).await?;
    assert_eq!(take(10, true).await?.len(), 1);
    sqlx::query("SELECT jobs.enqueue('pay', 'charge', _priority => 5)").execute(queue.db.pool()).await?;
    for tenant in [1_u128, 2] {
        sqlx::query("SELECT jobs.enqueue('pay', 'charge', _tenant_id => $1)")
            .bind(Uuid::from_u128(tenant))
            .execute(queue.db.pool())
            .await?;
    }
    let first = take(1, true).await?;
    assert!(first[0].is_some(), "the tenants' lanes are first");
    let rest = take(10, false).await?;
    assert_eq!(rest.len(), 2);
    assert!(rest.contains(&None));
    Ok(())
}
