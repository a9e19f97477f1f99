//! Lanes: who is served next where not all jobs stand in one queue.

use anyhow::Result;
use uuid::Uuid;

use crate::support::Queue;

async fn queue_for(queue: &Queue, tenant: Option<u128>, jobs: i32, priority: i32) -> Result<()> {
    sqlx::query(
        "SELECT jobs.enqueue_many('pay', 'charge', array_fill('{}'::jsonb, ARRAY[$1]), _tenant_id => $2, _priority => $3)",
    )
    .bind(jobs)
    .bind(tenant.map(Uuid::from_u128))
    .bind(priority)
    .execute(queue.db.pool())
    .await?;
    Ok(())
}

/// The tenants of the next jobs, on one connection, as a worker has it.
async fn claim(session: &mut sqlx::PgConnection, queue: &Queue, limit: i32) -> Result<Vec<Option<u128>>> {
    let claimed: Vec<Option<Uuid>> = sqlx::query_scalar("SELECT tenant_id FROM jobs.claim($1, $2, $3, true)")
        .bind(queue.worker)
        .bind(&queue.operations)
        .bind(limit)
        .fetch_all(session)
        .await?;
    Ok(claimed.into_iter().map(|tenant| tenant.map(|tenant| tenant.as_u128())).collect())
}

fn of(claimed: &[Option<u128>], tenant: Option<u128>) -> usize {
    claimed.iter().filter(|one| **one == tenant).count()
}

#[tokio::test]
async fn a_claim_is_shared_out_by_weight_and_what_one_leaves_goes_to_the_others() -> Result<()> {
    let queue = Queue::new().await?;
    let mut session = queue.db.pool().acquire().await?;
    for tenant in [Some(1), Some(2), None] {
        queue_for(&queue, tenant, 50, 0).await?;
    }
    queue_for(&queue, Some(3), 2, 0).await?;
    sqlx::query("SELECT jobs.set_tenant_weight($1, 3)").bind(Uuid::from_u128(1)).execute(&mut *session).await?;
    let claimed = claim(&mut session, &queue, 24).await?;
    // Six shares of four: three for the first tenant. The third has two jobs only, and somebody gets the rest.
    assert_eq!(claimed.len(), 24);
    assert_eq!(of(&claimed, Some(3)), 2);
    let counts = [Some(1), Some(2), None].map(|tenant| of(&claimed, tenant));
    assert!(counts[0] >= 12 && counts[1] >= 4 && counts[2] >= 4, "{counts:?}");
    Ok(())
}

#[tokio::test]
async fn one_job_at_a_time_goes_round() -> Result<()> {
    let queue = Queue::new().await?;
    let mut session = queue.db.pool().acquire().await?;
    for tenant in [Some(1), Some(2), None] {
        queue_for(&queue, tenant, 10, 0).await?;
    }
    let mut claimed = Vec::new();
    for _ in 0..9 {
        claimed.extend(claim(&mut session, &queue, 1).await?);
    }
    assert_eq!([Some(1), Some(2), None].map(|tenant| of(&claimed, tenant)), [3, 3, 3], "{claimed:?}");
    Ok(())
}

/// All jobs are of one tenant, which is offered its share in every claim.
#[tokio::test]
async fn operations_with_lanes_of_their_own_take_turns() -> Result<()> {
    let queue = Queue::new().await?;
    let mut session = queue.db.pool().acquire().await?;
    queue
        .run(
            "SELECT jobs.register_operations(jsonb_agg(jsonb_build_object('service', s, 'operation', 'go', 'timeout_seconds', 30,
                'max_attempts', 3, 'concurrency', 1000))) FROM unnest('{large,small}'::text[]) AS s;
            SELECT jobs.enqueue_many('large', 'go', array_fill('{}'::jsonb, ARRAY[500]));
            SELECT jobs.enqueue('small', 'go')",
        )
        .await?;
    let claim = "SELECT count(*) FILTER (WHERE o.service_name = 'small')
        FROM jobs.claim($1, ARRAY(SELECT code FROM jobs.tb_operation), 10, true) AS c
        JOIN jobs.tb_operation AS o ON o.code = c.operation_code";
    let mut small = 0;
    for _ in 0..3 {
        small += sqlx::query_scalar::<_, i64>(claim).bind(queue.worker).fetch_one(&mut *session).await?;
    }
    assert_eq!(small, 1, "it waits until the large one is done");
    Ok(())
}

#[tokio::test]
async fn priority_decides_between_a_tenants_own_jobs_and_not_between_tenants() -> Result<()> {
    let queue = Queue::new().await?;
    let mut session = queue.db.pool().acquire().await?;
    queue_for(&queue, Some(1), 10, 5).await?;
    queue_for(&queue, Some(2), 10, 0).await?;
    queue_for(&queue, Some(2), 1, 9).await?;
    let claimed: Vec<(Option<Uuid>, i32)> = sqlx::query_as(
        "SELECT c.tenant_id, j.priority FROM jobs.claim($1, $2, 2, true) AS c JOIN jobs.tb_job_run AS j USING (pk_job_run) ORDER BY 1",
    )
    .bind(queue.worker)
    .bind(&queue.operations)
    .fetch_all(&mut *session)
    .await?;
    assert_eq!(claimed, [(Some(Uuid::from_u128(1)), 5), (Some(Uuid::from_u128(2)), 9)]);
    Ok(())
}

#[tokio::test]
async fn more_tenants_than_a_claim_looks_at_are_all_served() -> Result<()> {
    let queue = Queue::new().await?;
    let mut session = queue.db.pool().acquire().await?;
    // A large one among them, which always has more.
    queue_for(&queue, Some(1_000), 2_000, 0).await?;
    for tenant in 1..=400 {
        queue_for(&queue, Some(tenant), 1, 0).await?;
    }
    let mut claimed = Vec::new();
    for _ in 0..8 {
        claimed.extend(claim(&mut session, &queue, 100).await?);
    }
    let served = (1..=400).filter(|tenant| of(&claimed, Some(*tenant)) == 1).count();
    assert_eq!(served, 400, "after {} jobs", claimed.len());
    Ok(())
}

#[tokio::test]
async fn jobs_that_were_queued_before_a_pause_move_to_a_lane_of_their_own() -> Result<()> {
    let queue = Queue::new().await?;
    queue.enqueue("charge", None).await?;
    queue.enqueue("transfer", None).await?;
    let apart = "SELECT count(*) FROM jobs.tb_job_ready WHERE lane > 0";
    assert_eq!(queue.scalar::<i64>(apart).await?, 0);
    assert!(queue.scalar::<bool>("SELECT jobs.pause('pay', 'charge', _reason => 'maintenance')").await?);
    assert!(!queue.scalar::<bool>("SELECT jobs.pause('pay', 'charge')").await?, "pausing twice is pausing once");
    queue.enqueue("charge", None).await?;
    assert_eq!(queue.scalar::<i64>(apart).await?, 2);
    assert_eq!(queue.claim(10).await?.len(), 1);
    assert_eq!(queue.claim(10).await?.len(), 0, "all that waits is paused");
    // A paused job can be cancelled, and its view shows it.
    let paused = queue.enqueue("charge", None).await?.0;
    assert_eq!(queue.state(paused).await?, "pending");
    let cancelled: String =
        sqlx::query_scalar("SELECT jobs.cancel($1)").bind(paused).fetch_one(queue.db.pool()).await?;
    assert_eq!(cancelled, "cancelled");
    assert!(queue.scalar::<bool>("SELECT jobs.resume('pay', 'charge')").await?);
    assert!(!queue.scalar::<bool>("SELECT jobs.resume('pay', 'charge')").await?);
    // Those that stand there are claimed from there; new ones stand with the others again.
    queue.enqueue("charge", None).await?;
    assert_eq!(queue.scalar::<i64>(apart).await?, 2);
    assert_eq!(queue.claim(10).await?.len(), 3);
    Ok(())
}

#[tokio::test]
async fn what_does_not_exist_cannot_be_paused() -> Result<()> {
    let queue = Queue::new().await?;
    for sql in ["SELECT jobs.pause('pai')", "SELECT jobs.pause('pay', 'chrage')"] {
        assert_eq!(crate::support::raised(sqlx::query(sql).execute(queue.db.pool()).await).0, "SQ404", "{sql}");
    }
    for sql in ["SELECT jobs.pause()", "SELECT jobs.pause(_operation => 'charge')"] {
        assert_eq!(crate::support::raised(sqlx::query(sql).execute(queue.db.pool()).await).0, "23514", "{sql}");
    }
    Ok(())
}

#[tokio::test]
async fn a_worker_that_does_not_count_its_jobs_is_held_to_the_limit_too() -> Result<()> {
    let queue = Queue::new().await?;
    queue
        .run(
            "SELECT jobs.register_operations((SELECT jsonb_agg(jsonb_build_object('service', service_name, 'operation', operation,
                'timeout_seconds', timeout_seconds, 'max_attempts', max_attempts, 'unique', unique_rule, 'idempotent', idempotent,
                'policy_hash', policy_hash, 'concurrency', 3)) FROM jobs.tb_operation));
            SELECT jobs.enqueue_many('pay', 'charge', array_fill('{}'::jsonb, ARRAY[5]));
            SELECT jobs.enqueue_many('pay', 'transfer', array_fill('{}'::jsonb, ARRAY[5]))",
        )
        .await?;
    let first = queue.claim_as(queue.worker, 2).await?;
    assert_eq!(first.len(), 2);
    // Of three slots one is left, for whoever comes; the operations of a service share them.
    let other = Uuid::new_v4();
    assert_eq!(queue.claim_as(other, 10).await?.len(), 1);
    assert_eq!(queue.claim_as(queue.worker, 10).await?.len(), 0);
    let usage: (i64, i64, i64) =
        sqlx::query_as("SELECT running, slots_held, workers FROM jobs.v_limit").fetch_one(queue.db.pool()).await?;
    assert_eq!(usage, (3, 3, 2));
    queue.complete(&first).await?;
    assert_eq!(queue.claim_as(queue.worker, 10).await?.len(), 2);
    // The limit is lifted: so are the lanes.
    queue
        .run(
            "SELECT jobs.register_operations((SELECT jsonb_agg(jsonb_build_object('service', service_name, 'operation', operation,
                'timeout_seconds', timeout_seconds, 'max_attempts', max_attempts, 'unique', unique_rule, 'idempotent', idempotent,
                'policy_hash', policy_hash)) FROM jobs.tb_operation))",
        )
        .await?;
    assert_eq!(queue.claim_as(queue.worker, 10).await?.len(), 5);
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.v_limit").await?, 0);
    Ok(())
}

/// Between the look that finds lanes and the one that takes from them, others may have taken everything.
#[tokio::test]
async fn a_turn_that_found_nothing_is_not_the_last() -> Result<()> {
    let queue = Queue::new().await?;
    let mut session = queue.db.pool().acquire().await?;
    sqlx::query("SELECT jobs.pick_lanes($1, $2, $2, 10, -2147483648, 0, NULL, NULL)")
        .bind(queue.worker)
        .bind(&queue.operations)
        .execute(&mut *session)
        .await?;
    queue_for(&queue, Some(1), 1, 0).await?;
    assert_eq!(claim(&mut session, &queue, 10).await?, [Some(1)]);
    Ok(())
}

#[tokio::test]
async fn a_job_that_is_queued_while_its_operation_changes_lanes_is_not_left_lying() -> Result<()> {
    let queue = Queue::new().await?;
    for (change, expected) in [("SELECT jobs.pause('pay', 'charge')", 0), ("SELECT jobs.resume('pay', 'charge')", 2)] {
        let mut enqueuing = queue.db.begin().await?;
        sqlx::query("SELECT jobs.enqueue('pay', 'charge')").execute(&mut *enqueuing).await?;
        queue.run(change).await?;
        enqueuing.commit().await?;
        queue.run("SELECT jobs.maintain()").await?;
        assert_eq!(queue.claim(10).await?.len(), expected, "after {change}");
    }
    Ok(())
}
