//! An application that is not the owner: a role of `specql_app`, logged in as itself.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use sqlx::{
    AssertSqlSafe, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use uuid::Uuid;

use crate::world::{Layers, Tenant, World, become_tenant, id};

/// The role belongs to the server, so tests that run at the same time share it. The owner of the database must be able to end its
/// connections.
const ROLE: &str = "DO $$ BEGIN
        CREATE ROLE specql_tenancy_app LOGIN PASSWORD 'tenancy app' IN ROLE specql_app ROLE CURRENT_USER;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;
    END $$";

/// Connections of the application.
struct App(PgPool);

impl App {
    async fn of(world: &World) -> Result<Self> {
        sqlx::raw_sql(ROLE).execute(world.db.pool()).await?;
        let options: PgConnectOptions = world.db.url().parse()?;
        let options = options.username("specql_tenancy_app").password("tenancy app");
        Ok(Self(PgPoolOptions::new().connect_with(options).await?))
    }

    /// A value, in the name of a tenant, as text; or the SQLSTATE with which it was refused.
    async fn ask(&self, tenant: Option<Tenant>, sql: &str) -> Result<Result<Option<String>, String>> {
        let mut tx = self.0.begin().await?;
        become_tenant(&mut tx, tenant).await?;
        let answer = sqlx::query_scalar(AssertSqlSafe(format!("SELECT (x.*)::text FROM ({sql}) AS x")));
        let answer = match answer.fetch_optional(&mut *tx).await {
            Ok(value) => Ok(value),
            Err(error) => Err(code(&error).with_context(|| format!("{sql}: {error}"))?),
        };
        tx.commit().await?;
        Ok(answer)
    }

    async fn act(&self, tenant: Tenant, action: &str, input: Value) -> Result<Value> {
        let sql = format!("SELECT to_jsonb(r) FROM app.{action}($1, NULL, $2) AS r");
        Ok(sqlx::query_scalar(AssertSqlSafe(sql)).bind(tenant.id).bind(input).fetch_one(&self.0).await?)
    }

    /// The SQLSTATE with which a statement is refused, in the name of a tenant.
    async fn refused(&self, tenant: Tenant, sql: &str) -> Result<String> {
        let mut tx = self.0.begin().await?;
        become_tenant(&mut tx, Some(tenant)).await?;
        let error = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *tx).await.err();
        code(&error.with_context(|| format!("it was not refused: {sql}"))?).context("no SQLSTATE")
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// What a query of one column answers as text: `(7)`.
fn one(value: impl std::fmt::Display) -> Result<Option<String>, String> {
    Ok(Some(format!("({value})")))
}

#[tokio::test]
async fn an_application_calls_actions_reads_its_tenants_rows_and_follows_its_jobs() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    let app = App::of(&world).await?;
    let (ann, bob) = (world.ann, world.bob);
    let made = id(&app.act(ann, "create_order", json!({"total": 8, "product": world.product})).await?)?;
    for (sql, rows) in [
        ("SELECT count(*) FROM sales.v_order", 2),
        ("SELECT count(*) FROM crm.v_customer", 1),
        ("SELECT count(*) FROM catalog.v_product", 1),
    ] {
        assert_eq!(app.ask(Some(ann), sql).await?, one(rows), "{sql}");
    }
    // Through the references, which are read with its own rights.
    let product = format!("SELECT data ->> 'product' FROM sales.v_order WHERE id = '{made}'");
    assert_eq!(app.ask(Some(ann), &product).await?, one(world.product));

    let paid = app.act(ann, "pay_order", json!({"id": made})).await?;
    let job: Uuid = paid["extra_metadata"]["job_id"].as_str().context("a job")?.parse()?;
    let status = format!("SELECT status FROM jobs.standing('{job}')");
    assert_eq!(app.ask(Some(ann), &status).await?, one("pending"));
    assert_eq!(app.ask(Some(ann), &format!("SELECT jobs.watch('{job}')")).await?, one("pending"));
    assert_eq!(app.ask(Some(ann), &format!("SELECT jobs.wait('{job}', '0')")).await?, one("pending"));
    assert_eq!(app.ask(Some(bob), &status).await?, Ok(None), "another's job is unknown");
    world.complete(job).await?;
    assert_eq!(app.ask(Some(ann), &status).await?, one("completed"));

    let enqueue = "SELECT job_id FROM jobs.enqueue('stripe', 'create_charge', '{}')";
    let queued = app.ask(Some(ann), enqueue).await?.map_err(anyhow::Error::msg)?.context("a job")?;
    let cancel = format!("SELECT jobs.cancel('{}')", queued.trim_matches(['(', ')']));
    assert_eq!(app.ask(Some(bob), &cancel).await?, one("unknown"));
    assert_eq!(app.ask(Some(ann), &cancel).await?, one("cancelled"));
    let many = "SELECT count(*) FROM jobs.enqueue_many('stripe', 'create_charge', ARRAY['{}', '{}']::jsonb[])";
    assert_eq!(app.ask(Some(ann), many).await?, one(2));

    app.act(ann, "tell", json!({"id": made})).await?;
    let told = "SELECT count(*) FROM app.tb_notification";
    assert_eq!(app.ask(Some(ann), told).await?, one(1));
    assert_eq!(app.ask(Some(bob), told).await?, one(0));
    Ok(())
}

#[tokio::test]
async fn an_application_reads_no_row_of_another_tenant_and_none_without_one() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    let app = App::of(&world).await?;
    for table in ["sales.tb_order", "crm.tb_customer", "sales.v_order", "crm.v_customer"] {
        let foreign = format!("SELECT count(*) FROM {table} WHERE tenant_id = '{}'", world.ann.id);
        assert_eq!(app.ask(Some(world.ann), &foreign).await?, one(1), "{table}");
        assert_eq!(app.ask(Some(world.bob), &foreign).await?, one(0), "{table}");
        assert_eq!(app.ask(None, &foreign).await?, one(0), "{table}");
    }
    let order = json!({"id": world.ann.order, "total": 1});
    assert_eq!(app.act(world.bob, "update_order", order).await?["status"], "not_found");
    Ok(())
}

#[tokio::test]
async fn an_application_writes_no_table_and_does_no_workers_work() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    let app = App::of(&world).await?;
    let ann = world.ann;
    let job = world.pay(ann).await?;
    let order = format!("INSERT INTO sales.tb_order (tenant_id, total) VALUES ('{}', 1)", ann.id);
    let success = "sales.cb_order_pay_order_1_stripe_create_charge_success";
    for sql in [
        order.as_str(),
        "UPDATE sales.tb_order SET total = 0",
        "DELETE FROM crm.tb_customer",
        "INSERT INTO catalog.tb_product (name) VALUES ('x')",
        "UPDATE sales.v_order SET id = id",
        "TRUNCATE sales.tb_order CASCADE",
        "CREATE TABLE sales.tb_mine ()",
        "INSERT INTO app.tb_notification (channel, recipient, message) VALUES ('a', 'b', 'c')",
        "SELECT FROM app.tb_mutation_audit_log",
        // A tenant's view wants the key and the id of what it refers to; the rest stands in that one's own view.
        "SELECT name FROM catalog.tb_product",
        "SELECT app.notify('clerk', 'orders', 'x', NULL, NULL)",
        // An action's core and its callbacks, without what its wrapper checks.
        "SELECT sales.close_all(NULL, NULL, NULL)",
        &format!("SELECT {success}('{job}', '{{\"id\": \"stolen\"}}')"),
        "SELECT FROM jobs.tb_job_run",
        "SELECT FROM jobs.v_job_run",
        "INSERT INTO jobs.tb_job_run (service_name, operation) VALUES ('stripe', 'create_charge')",
        "DELETE FROM jobs.tb_job_ready",
        "SELECT jobs.enqueue_step('stripe', 'create_charge', '{}', 'x', NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, 'Order', 1, NULL, NULL)",
        "SELECT jobs.claim(gen_random_uuid(), '{1}', 1)",
        "SELECT jobs.complete(gen_random_uuid(), '{1}', '{1}', '{}', '{}')",
        "SELECT jobs.fail(gen_random_uuid(), '{1}', '{1}', '{x}', '{x}', '{1}', '{t}', '{}')",
        &format!("SELECT jobs.complete_job_successfully('{job}', '{{}}')"),
        "SELECT jobs.register_operations('[]')",
        "SELECT jobs.register_worker(gen_random_uuid(), 'x', '1', '{}')",
        "SELECT jobs.run_callbacks()",
        "SELECT jobs.retry(gen_random_uuid())",
        "SELECT jobs.pause('stripe', NULL, NULL, NULL, NULL)",
    ] {
        assert_eq!(app.refused(ann, sql).await?, "42501", "{sql}");
    }
    Ok(())
}
