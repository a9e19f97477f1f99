//! SQ-08: two tenants and their jobs; `tenancy` has everything else that stands between tenants.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use specql_runtime::testing::TestDatabase;
use specql_tests::compiled;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

const ORDER: &str = "
entity: Order
schema: sales
fields: {total: integer!, charge: text}
actions:
  - name: create_order
  - name: pay_order
    steps:
      - call_service:
          service: stripe
          operation: create_charge
          input: {amount: total, currency: \"EUR\"}
          on_success:
            - update: Order SET charge = $output.id
";

/// Writes down under whose rights, and in whose name, an order is changed.
const WITNESS: &str = "
CREATE TABLE public.witness (who text, tenant text);
CREATE FUNCTION public.witness() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.witness VALUES (current_user, current_setting('app.tenant_id', true));
    RETURN NEW;
END $$;
CREATE TRIGGER witness BEFORE UPDATE ON sales.tb_order FOR EACH ROW EXECUTE FUNCTION public.witness();";

/// A tenant with an order, and a job that is to charge it.
#[derive(Clone, Copy)]
struct Tenant {
    id: Uuid,
    order: Uuid,
    job: Uuid,
}

struct Two {
    db: TestDatabase,
    ann: Tenant,
    bob: Tenant,
}

impl Two {
    async fn new() -> Result<Self> {
        let project = compiled::files(&[
            ("entities/order.yaml", ORDER),
            ("registry/domain_registry.yaml", "domains: {sales: {multi_tenant: true}}\n"),
        ])?;
        let db = compiled::database(&project).await?;
        let mut tenants = Vec::new();
        for total in [1, 2] {
            let id = Uuid::new_v4();
            let made = act(&db, Some(id), "create_order", json!({"total": total})).await?;
            let order = uuid(&made["id"])?;
            let paid = act(&db, Some(id), "pay_order", json!({"id": order})).await?;
            tenants.push(Tenant { id, order, job: uuid(&paid["extra_metadata"]["job_id"])? });
        }
        Ok(Self { db, ann: tenants[0], bob: tenants[1] })
    }

    /// Plain SQL in the name of a tenant, or of nobody: a value as text, or the SQLSTATE of what it raises.
    async fn ask(&self, tenant: Option<Uuid>, sql: &str) -> Result<Result<Option<String>, String>> {
        let mut tx = self.db.begin().await?;
        become_tenant(&mut tx, tenant).await?;
        let sql = format!("SELECT ({sql})::text");
        let asked = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *tx).await;
        let answer = match asked {
            Ok(value) => Ok(value),
            Err(error) => {
                let code = error.as_database_error().and_then(|error| error.code());
                Err(code.context(error.to_string())?.into_owned())
            }
        };
        match &answer {
            Ok(_) => tx.commit().await?,
            Err(_) => tx.rollback().await?,
        }
        Ok(answer)
    }

    /// Plain SQL in nobody's name.
    async fn run(&self, sql: &str) -> Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(self.db.pool()).await?;
        Ok(())
    }

    async fn charge(&self, tenant: Tenant) -> Result<Option<String>> {
        let sql = format!("SELECT charge FROM sales.tb_order WHERE id = '{}'", tenant.order);
        Ok(self.ask(Some(tenant.id), &sql).await?.unwrap())
    }
}

async fn become_tenant(connection: &mut PgConnection, tenant: Option<Uuid>) -> Result<()> {
    let tenant = tenant.map(|tenant| tenant.to_string()).unwrap_or_default();
    sqlx::query("SELECT set_config('app.tenant_id', $1, true)").bind(tenant).execute(connection).await?;
    Ok(())
}

async fn act(db: &TestDatabase, tenant: Option<Uuid>, action: &str, input: Value) -> Result<Value> {
    let sql = format!("SELECT to_jsonb(r) FROM app.{action}($1, NULL, $2) AS r");
    Ok(sqlx::query_scalar(AssertSqlSafe(sql)).bind(tenant).bind(input).fetch_one(db.pool()).await?)
}

fn uuid(value: &Value) -> Result<Uuid> {
    Ok(value.as_str().context("no id")?.parse()?)
}

/// SQ-08, a job read across tenants [not seen by any view, not reached by any function].
#[tokio::test]
async fn sq_08_no_job_is_read_or_touched_across_tenants() -> Result<()> {
    let two = Two::new().await?;
    let (ann, bob) = (two.ann, two.bob);
    let views: Vec<String> = sqlx::query_scalar(
        "SELECT c.oid::regclass::text FROM pg_class AS c
        WHERE c.relnamespace = 'jobs'::regnamespace AND c.relkind = 'v' AND EXISTS (
            SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')",
    )
    .fetch_all(two.db.pool())
    .await?;
    assert!(views.iter().any(|view| view == "jobs.v_job_run"), "{views:?}");
    for job in [ann.job, bob.job] {
        two.run(&format!("SELECT jobs.mark_job_started('{job}'); SELECT jobs.fail_job('{job}', 'no card')")).await?;
    }
    for view in &views {
        let foreign = format!("SELECT count(*) FROM {view} WHERE tenant_id IS DISTINCT FROM '{}'", bob.id);
        assert_eq!(two.ask(Some(bob.id), &foreign).await?, Ok(Some("0".into())), "{view}");
    }
    let seen = "SELECT string_agg(id::text, ',') FROM jobs.v_job_run";
    assert_eq!(two.ask(Some(bob.id), seen).await?, Ok(Some(bob.job.to_string())));
    for (sql, other, own) in [
        ("SELECT jobs.cancel('{}')", Ok(Some("unknown")), Ok(Some("finished"))),
        ("SELECT jobs.watch('{}')", Ok(None), Ok(Some("failed"))),
        ("SELECT (SELECT status FROM jobs.standing('{}'))", Ok(None), Ok(Some("failed"))),
        ("SELECT jobs.wait('{}')", Err("SQ404"), Ok(Some("failed"))),
        ("SELECT jobs.retry('{}') IS NOT NULL", Err("SQ404"), Ok(Some("true"))),
    ] {
        for (tenant, expected) in [(bob, other), (ann, own)] {
            let said = two.ask(Some(tenant.id), &sql.replace("{}", &ann.job.to_string())).await?;
            assert_eq!(said, expected.map(|it| it.map(str::to_owned)).map_err(str::to_owned), "{sql}");
        }
    }
    Ok(())
}

/// SQ-08, `_tenant_id` null or another's [the session's own tenant, or nobody; never somebody else].
#[tokio::test]
async fn sq_08_without_a_tenant_nothing_is_queued_for_one() -> Result<()> {
    let two = Two::new().await?;
    let (ann, bob) = (two.ann, two.bob);
    let without = act(&two.db, None, "pay_order", json!({"id": ann.order})).await?;
    assert_eq!(without["status"], "validation:missing_tenant", "{without}");
    let all = "SELECT count(*) FROM jobs.tb_job_run";
    assert_eq!(two.ask(None, all).await?, Ok(Some("2".into())));

    let queue =
        |of: &str| format!("SELECT job_id FROM jobs.enqueue('stripe', 'create_charge', '{{}}', _tenant_id => {of})");
    let own = two.ask(Some(bob.id), &queue("NULL")).await?.unwrap().context("a job")?;
    let nobodys = two.ask(None, &queue("NULL")).await?.unwrap().context("a job")?;
    for (job, of) in [(&own, Some(bob.id)), (&nobodys, None)] {
        let tenant = two.ask(None, &format!("SELECT tenant_id FROM jobs.tb_job_run WHERE id = '{job}'")).await?;
        assert_eq!(tenant, Ok(of.map(|of| of.to_string())), "the session's tenant, or none");
    }
    for tenant in [ann, bob] {
        let seen = format!("SELECT count(*) FROM jobs.v_job_run WHERE id = '{nobodys}'");
        assert_eq!(two.ask(Some(tenant.id), &seen).await?, Ok(Some("0".into())), "nobody's job is no tenant's");
    }
    let forged = two.ask(Some(bob.id), &queue(&format!("'{}'", ann.id))).await?;
    assert_eq!(forged, Err("42501".into()));

    // A job that lost its tenant completes nothing of anybody's.
    two.run(&format!("UPDATE jobs.tb_job_run SET tenant_id = NULL WHERE id = '{}'", ann.job)).await?;
    two.run(&format!(
        "SELECT jobs.mark_job_started('{0}'); SELECT jobs.complete_job_successfully('{0}', '{{\"id\": \"ch\"}}')",
        ann.job
    ))
    .await?;
    assert_eq!((two.charge(ann).await?, two.charge(bob).await?), (None, None));
    Ok(())
}

/// SQ-08, whose rights a callback runs under [the owner's, who is bound by the policies, in the name of the job's tenant].
#[tokio::test]
async fn sq_08_a_callback_runs_as_the_owner_in_the_name_of_its_job() -> Result<()> {
    let two = Two::new().await?;
    let (ann, bob) = (two.ann, two.bob);
    two.run(WITNESS).await?;
    let owner: String = sqlx::query_scalar("SELECT current_user::text").fetch_one(two.db.pool()).await?;
    let operations = two.ask(None, "SELECT array_agg(code) FROM jobs.tb_operation").await?.unwrap().context("codes")?;
    let above = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user";
    assert_eq!(two.ask(None, above).await?, Ok(Some("false".into())), "the policies bind the owner");

    // The worker may end a job, but neither read the tables nor call the callback itself. Nothing of this is committed:
    // the grant would bind all tests of the server.
    let mut tx = two.db.begin().await?;
    become_tenant(&mut tx, Some(bob.id)).await?;
    sqlx::raw_sql("GRANT specql_worker TO CURRENT_USER; SET LOCAL ROLE specql_worker").execute(&mut *tx).await?;
    let callback = "sales.cb_order_pay_order_1_stripe_create_charge_success";
    for refused in [
        "SELECT FROM sales.tb_order".to_owned(),
        "UPDATE sales.tb_order SET charge = 'stolen'".to_owned(),
        format!("SELECT {callback}('{}', '{{\"id\": \"stolen\"}}')", ann.job),
    ] {
        sqlx::query("SAVEPOINT s").execute(&mut *tx).await?;
        let error = sqlx::raw_sql(AssertSqlSafe(refused.as_str())).execute(&mut *tx).await.unwrap_err();
        let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned();
        assert_eq!(code, "42501", "{refused}: {error}");
        sqlx::query("ROLLBACK TO s").execute(&mut *tx).await?;
    }
    let worker = Uuid::new_v4();
    let sql = format!(
        "WITH c AS MATERIALIZED (SELECT * FROM jobs.claim($1, '{operations}', 2))
        SELECT e.result FROM c CROSS JOIN LATERAL jobs.complete(
            $1, ARRAY[c.pk_job_run], ARRAY[c.epoch], ARRAY['{{\"id\": \"ch_1\"}}'::jsonb], ARRAY[NULL::jsonb]) AS e
        WHERE c.id = $2"
    );
    // Whose job a worker is given first is decided by the tenants' lanes: both are claimed, Ann's is completed.
    let ended: Vec<String> =
        sqlx::query_scalar(AssertSqlSafe(sql)).bind(worker).bind(ann.job).fetch_all(&mut *tx).await?;
    assert_eq!(ended, ["completed"]);
    let after: String = sqlx::query_scalar("SELECT current_setting('app.tenant_id')").fetch_one(&mut *tx).await?;
    assert_eq!(after, bob.id.to_string(), "the session is in the name in which it was");
    sqlx::raw_sql("RESET ROLE").execute(&mut *tx).await?;
    let seen: Vec<(String, String)> =
        sqlx::query_as("SELECT who, tenant FROM public.witness").fetch_all(&mut *tx).await?;
    assert_eq!(seen, [(owner, ann.id.to_string())]);
    tx.rollback().await?;

    // Bob's job, forged to name Ann's row: the name is still Bob's, who has no such row.
    let key = two.ask(Some(ann.id), "SELECT pk_order FROM sales.tb_order").await?.unwrap().context("a key")?;
    two.run(&format!("UPDATE jobs.tb_job_run SET entity_pk = {key} WHERE id = '{}'", bob.job)).await?;
    for job in [bob.job, ann.job] {
        two.run(&format!(
            "SELECT jobs.mark_job_started('{job}'); SELECT jobs.complete_job_successfully('{job}', '{{\"id\": \"{job}\"}}')"
        ))
        .await?;
    }
    let charges = (two.charge(ann).await?, two.charge(bob).await?);
    assert_eq!(charges, (Some(ann.job.to_string()), None));
    Ok(())
}
