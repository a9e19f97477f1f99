//! Jobs of two tenants.

use anyhow::{Context as _, Result};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::world::{Layers, Tenant, World, become_tenant};

/// The SQLSTATE of what a statement raises in the name of a tenant.
async fn raised(world: &World, tenant: Option<Tenant>, sql: &str) -> Result<Option<String>> {
    let mut tx = world.db.begin().await?;
    become_tenant(&mut tx, tenant).await?;
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *tx).await;
    let error = done.err().and_then(|error| error.into_database_error());
    Ok(error.and_then(|error| error.code().map(std::borrow::Cow::into_owned)))
}

/// Jobs of Ann and of Bob that failed, and one of nobody's.
async fn failed_jobs(world: &World) -> Result<(Uuid, Uuid, Uuid)> {
    let (ann, bob) = (world.pay(world.ann).await?, world.pay(world.bob).await?);
    let nobody: Uuid =
        sqlx::query_scalar("SELECT job_id FROM jobs.enqueue('stripe', 'create_charge', '{}', _correlation_id => 'c')")
            .fetch_one(world.db.pool())
            .await?;
    world.run(None, "UPDATE jobs.tb_job_run SET correlation_id = 'c'").await?;
    for job in [ann, bob, nobody] {
        world
            .run(None, &format!("SELECT jobs.mark_job_started('{job}'); SELECT jobs.fail_job('{job}', 'no card')"))
            .await?;
    }
    Ok((ann, bob, nobody))
}

#[tokio::test]
async fn who_acts_for_a_tenant_reads_its_jobs_alone_the_owner_too() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    let (ann, bob, nobody) = failed_jobs(&world).await?;
    for view in ["jobs.v_job_run", "jobs.v_dead_letter", "jobs.v_correlation"] {
        let ids = format!("SELECT string_agg(DISTINCT id::text, ',' ORDER BY id::text) FROM {view}");
        let mut all = [ann, bob, nobody].map(|id| id.to_string());
        all.sort();
        assert_eq!(world.ask::<String>(None, &ids).await?, all.join(","), "{view} for nobody");
        assert_eq!(world.ask::<String>(Some(world.ann), &ids).await?, ann.to_string(), "{view} for Ann");
    }
    for (view, figure, all) in [
        ("jobs.v_job_stats", "total_jobs", 3),
        ("jobs.v_tenant_usage", "failed_jobs", 3),
        ("jobs.v_runner_failure_patterns", "failure_count", 3),
        ("jobs.v_execution_performance_by_type", "failed_jobs", 3),
    ] {
        let sum = format!("SELECT sum({figure})::integer FROM {view}");
        assert_eq!(world.ask::<i32>(None, &sum).await?, all, "{view}");
        assert_eq!(world.ask::<i32>(Some(world.bob), &sum).await?, 1, "{view}");
    }
    Ok(())
}

#[tokio::test]
async fn who_acts_for_a_tenant_does_nothing_to_anothers_job() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    let (ann, _, nobody) = failed_jobs(&world).await?;
    let bob = Some(world.bob);
    for job in [ann, nobody] {
        assert_eq!(world.ask::<String>(bob, &format!("SELECT jobs.cancel('{job}')")).await?, "unknown");
        assert_eq!(world.ask::<Option<String>>(bob, &format!("SELECT jobs.watch('{job}')")).await?, None);
        let standing = format!("SELECT (SELECT status FROM jobs.standing('{job}'))");
        assert_eq!(world.ask::<Option<String>>(bob, &standing).await?, None);
        for call in ["retry", "wait"] {
            let code = raised(&world, bob, &format!("SELECT jobs.{call}('{job}')")).await?;
            assert_eq!(code.as_deref(), Some("SQ404"), "{call}");
        }
    }
    let own = Some(world.ann);
    assert_eq!(world.ask::<String>(own, &format!("SELECT jobs.cancel('{ann}')")).await?, "finished");
    assert_eq!(world.ask::<String>(own, &format!("SELECT jobs.watch('{ann}')")).await?, "failed");
    assert_eq!(world.ask::<String>(own, &format!("SELECT jobs.wait('{ann}')")).await?, "failed");
    assert_eq!(world.ask::<String>(own, &format!("SELECT status FROM jobs.standing('{ann}')")).await?, "failed");
    world.run(own, &format!("SELECT jobs.retry('{ann}')")).await?;
    assert_eq!(
        world.ask::<String>(own, &format!("SELECT status FROM jobs.v_job_run WHERE id = '{ann}'")).await?,
        "pending"
    );
    assert_eq!(world.ask::<String>(None, &format!("SELECT jobs.cancel('{nobody}')")).await?, "finished");
    Ok(())
}

#[tokio::test]
async fn who_acts_for_a_tenant_queues_for_that_one_and_no_other() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    let bob = Some(world.bob);
    let for_ann = format!("_tenant_id => '{}'", world.ann.id);
    for call in
        ["enqueue('stripe', 'create_charge', '{}',", "enqueue_many('stripe', 'create_charge', ARRAY['{}']::jsonb[],"]
    {
        assert_eq!(raised(&world, bob, &format!("SELECT jobs.{call} {for_ann})")).await?.as_deref(), Some("42501"));
        world.run(None, &format!("SELECT jobs.{call} {for_ann})")).await?;
        world
            .run(
                bob,
                &format!(
                    "SELECT jobs.{call} _correlation_id{})",
                    if call.contains("many") { "s => '{b}'" } else { " => 'b'" }
                ),
            )
            .await?;
    }
    let tenants = |of: Tenant| format!("SELECT count(*) FROM jobs.tb_job_run WHERE tenant_id = '{}'", of.id);
    assert_eq!(world.ask::<i64>(None, &tenants(world.ann)).await?, 2);
    assert_eq!(world.ask::<i64>(None, &tenants(world.bob)).await?, 2);
    Ok(())
}

/// A role that may read the tables, as an application's own role would; its grants go with this transaction.
const READER: &str = "
    CREATE ROLE reader_of_jobs;
    GRANT USAGE ON SCHEMA jobs, app TO reader_of_jobs;
    GRANT SELECT ON ALL TABLES IN SCHEMA jobs, app TO reader_of_jobs;
    GRANT INSERT ON jobs.tb_job_run TO reader_of_jobs;
    SET LOCAL ROLE reader_of_jobs;";

#[tokio::test]
async fn another_role_sees_the_jobs_of_its_tenant_and_without_one_none() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    failed_jobs(&world).await?;
    for tenant in [world.ann, world.bob] {
        world.act(tenant, "tell", serde_json::json!({"id": tenant.order})).await?;
    }
    let mut superuser = world.db.superuser().await?.context(
        "this test makes a role, which needs a superuser: set `TEST_DATABASE_SUPERUSER_URL`, or unset \
         `TEST_DATABASE_URL` and `DATABASE_URL` so that the tests start a server of their own",
    )?;
    let mut tx = sqlx::Connection::begin(&mut superuser).await?;
    sqlx::raw_sql(READER).execute(&mut *tx).await?;
    for (table, whole) in [
        ("jobs.tb_job_run", true),
        ("jobs.tb_job_outcome", true),
        ("jobs.tb_job_attempt", true),
        ("jobs.v_job_run", true),
        ("jobs.v_dead_letter", true),
        ("app.tb_mutation_audit_log", true),
        ("app.tb_notification", true),
        ("jobs.tb_job_run_p0", false),
        ("jobs.tb_job_outcome_p0", false),
        ("jobs.tb_job_attempt_default", false),
    ] {
        let seen = format!("SELECT count(*) FROM {table}");
        for (tenant, expected) in [(None, false), (Some(world.ann), whole)] {
            become_tenant(&mut tx, tenant).await?;
            let count: i64 = sqlx::query_scalar(AssertSqlSafe(seen.as_str())).fetch_one(&mut *tx).await?;
            assert_eq!(count > 0, expected, "{table} as {tenant:?}");
        }
    }
    become_tenant(&mut tx, Some(world.ann)).await?;
    let foreign: i64 = sqlx::query_scalar("SELECT count(*) FROM jobs.v_job_run WHERE tenant_id IS DISTINCT FROM $1")
        .bind(world.ann.id)
        .fetch_one(&mut *tx)
        .await?;
    assert_eq!(foreign, 0);
    // A plain INSERT is in the session's name, and in no other.
    sqlx::raw_sql("INSERT INTO jobs.tb_job_run (service_name, operation) VALUES ('stripe', 'create_charge')")
        .execute(&mut *tx)
        .await?;
    let refused = sqlx::query(
        "INSERT INTO jobs.tb_job_run (service_name, operation, tenant_id) VALUES ('stripe', 'create_charge', $1)",
    )
    .bind(world.bob.id)
    .execute(&mut *tx)
    .await;
    assert!(refused.is_err());
    Ok(())
}

#[tokio::test]
async fn a_partition_of_later_is_closed_too() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    world.run(None, "SELECT jobs.maintain()").await?;
    let open: Option<String> = world
        .ask(
            None,
            "SELECT string_agg(relname::text, ' ') FROM pg_class WHERE relname ~ '^tb_job_(run|outcome|attempt)(_|$)' AND relkind IN ('r', 'p') AND NOT relrowsecurity",
        )
        .await?;
    assert_eq!(open, None);
    Ok(())
}

#[tokio::test]
async fn a_transaction_begun_as_a_tenant_reads_its_rows_and_jobs() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    let job = world.pay(world.ann).await?;
    for (tenant, orders, jobs) in
        [(world.ann, vec![world.ann.order], vec![job]), (world.bob, vec![world.bob.order], vec![])]
    {
        let mut tx = world.db.begin_as(tenant.id).await?;
        let seen: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM sales.v_order").fetch_all(&mut *tx).await?;
        assert_eq!(seen, orders);
        let seen: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM jobs.v_job_run").fetch_all(&mut *tx).await?;
        assert_eq!(seen, jobs);
        tx.commit().await?;
        assert_eq!(
            world.ask::<i64>(None, "SELECT count(*) FROM sales.v_order").await?,
            0,
            "the pool is nobody's again"
        );
    }
    Ok(())
}

#[tokio::test]
async fn one_batch_runs_the_callbacks_of_several_tenants_each_in_its_own_name() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    let (first, second) = (world.pay(world.ann).await?, world.pay(world.bob).await?);
    for job in [first, second] {
        world.run(None, &format!("SELECT jobs.mark_job_started('{job}')")).await?;
    }
    world
        .run(
            None,
            "SELECT jobs.complete('00000000-0000-0000-0000-000000000000', array_agg(pk_job_run ORDER BY pk_job_run),
                array_agg(epoch ORDER BY pk_job_run), ARRAY['{\"id\": \"a\"}', '{\"id\": \"b\"}']::jsonb[], ARRAY[NULL, NULL]::jsonb[])
            FROM jobs.tb_job_lease",
        )
        .await?;
    assert_eq!(world.order(world.ann, "charge").await?.as_deref(), Some("a"));
    assert_eq!(world.order(world.bob, "charge").await?.as_deref(), Some("b"));
    Ok(())
}

#[tokio::test]
async fn a_callback_leaves_the_transaction_in_the_name_in_which_it_found_it() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    let job = world.pay(world.ann).await?;
    world.run(None, &format!("SELECT jobs.mark_job_started('{job}')")).await?;
    let mut tx = world.db.begin().await?;
    become_tenant(&mut tx, Some(world.bob)).await?;
    sqlx::query("SELECT jobs.complete_job_successfully($1, '{\"id\": \"a\"}')").bind(job).execute(&mut *tx).await?;
    let after: String = sqlx::query_scalar("SELECT current_setting('app.tenant_id')").fetch_one(&mut *tx).await?;
    assert_eq!(after, world.bob.id.to_string());
    tx.commit().await?;
    assert_eq!(world.order(world.ann, "charge").await?.as_deref(), Some("a"));
    Ok(())
}

#[tokio::test]
async fn a_callback_that_is_tried_again_runs_in_the_name_of_its_job() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    let job = world.pay(world.ann).await?;
    world.run(None, "ALTER TABLE sales.tb_order ADD CONSTRAINT broken CHECK (charge IS NULL)").await?;
    world.complete(job).await?;
    assert_eq!(world.order(world.ann, "charge").await?, None);
    world.run(None, "ALTER TABLE sales.tb_order DROP CONSTRAINT broken").await?;
    world.run(None, "UPDATE jobs.tb_job_callback SET run_at = now()").await?;
    world.run(Some(world.bob), "SELECT jobs.run_callbacks()").await?;
    assert_eq!(world.order(world.ann, "charge").await?.as_deref(), Some("ch_1"));
    Ok(())
}

#[tokio::test]
async fn the_audit_log_and_the_notifications_are_kept_for_ever_or_as_long_as_somebody_says() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    world.run(None, "INSERT INTO app.tb_notification (channel) VALUES ('sales'), ('sales')").await?;
    let audited: i64 = world.ask(None, "SELECT count(*) FROM app.tb_mutation_audit_log").await?;
    assert!(audited > 2);
    for table in ["mutation_audit_log", "notification"] {
        let age = format!(
            "UPDATE app.tb_{table} SET created_at = created_at - interval '20 days'
            WHERE pk_{table} > (SELECT min(pk_{table}) FROM app.tb_{table});
            UPDATE app.tb_{table} SET created_at = created_at - interval '40 days'
            WHERE pk_{table} = (SELECT min(pk_{table}) FROM app.tb_{table})"
        );
        world.run(None, &age).await?;
    }
    let left = async |world: &World| {
        anyhow::Ok((
            world.ask::<i64>(None, "SELECT count(*) FROM app.tb_mutation_audit_log").await?,
            world.ask::<i64>(None, "SELECT count(*) FROM app.tb_notification").await?,
        ))
    };
    let maintain = "SELECT jobs.maintain()";
    for _ in 0..3 {
        world.run(None, maintain).await?; // the first calls make ranges
    }
    assert_eq!(left(&world).await?, (audited, 2));
    world.run(None, "UPDATE jobs.tb_retention SET keep = '30 days' WHERE status = 'audit_log'").await?;
    world.run(None, maintain).await?;
    assert_eq!(left(&world).await?, (audited - 1, 2));
    let looked = "SELECT looked_at > now() - interval '1 minute' FROM jobs.tb_retention WHERE status = 'audit_log'";
    assert!(world.ask::<bool>(None, looked).await?, "there were no more");
    world
        .run(None, "UPDATE jobs.tb_retention SET keep = '10 days', looked_at = '-infinity' WHERE status IN ('audit_log', 'notifications')")
        .await?;
    world.run(None, maintain).await?;
    assert_eq!(left(&world).await?, (0, 0));
    Ok(())
}
