//! Rows that the steps around a call have bound, in the call's callbacks: read again and locked when the job ends.

use serde_json::{Value, json};
use specql_runtime::testing::TestDatabase;
use specql_tests::compiled;
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

type Outcome = anyhow::Result<()>;

const COMPLETE: &str = "jobs.complete($1, ARRAY[c.pk_job_run], ARRAY[c.epoch], ARRAY['{\"ok\": true}'::jsonb], \
                        ARRAY[NULL::jsonb])";
const FAIL: &str = "jobs.fail($1, ARRAY[c.pk_job_run], ARRAY[c.epoch], ARRAY['permanent_reported'], ARRAY['declined'], \
                    ARRAY[NULL::bigint], ARRAY[TRUE], ARRAY[NULL::jsonb])";

/// A shop of two tenants.
struct Shop {
    database: TestDatabase,
    tenant: Uuid,
    other: Uuid,
}

impl Shop {
    async fn open() -> anyhow::Result<Self> {
        let project = compiled::files(&[
            ("entities/shop.yaml", include_str!("shop.yaml")),
            ("registry/domain_registry.yaml", "domains: {sales: {multi_tenant: true}}\n"),
        ])?;
        let database = compiled::database(&project).await?;
        Ok(Self { database, tenant: Uuid::new_v4(), other: Uuid::new_v4() })
    }

    fn pool(&self) -> &PgPool {
        self.database.pool()
    }

    async fn run(&self, sql: &str) -> Outcome {
        self.run_for(self.tenant, sql).await
    }

    async fn run_for(&self, tenant: Uuid, sql: &str) -> Outcome {
        let mut tx = self.pool().begin().await?;
        sqlx::query("SELECT set_config('app.tenant_id', $1, true)").bind(tenant.to_string()).execute(&mut *tx).await?;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }

    /// A text, of the rows that the tenant sees.
    async fn text(&self, sql: &str) -> anyhow::Result<Option<String>> {
        self.text_for(self.tenant, sql).await
    }

    async fn text_for(&self, tenant: Uuid, sql: &str) -> anyhow::Result<Option<String>> {
        let mut tx = self.pool().begin().await?;
        sqlx::query("SELECT set_config('app.tenant_id', $1, true)").bind(tenant.to_string()).execute(&mut *tx).await?;
        let found = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_optional(&mut *tx).await?;
        Ok(found.flatten())
    }

    async fn succeed(&self, tenant: Uuid, action: &str, input: Value) -> anyhow::Result<Value> {
        let sql = format!("SELECT to_jsonb(r) FROM app.{action}($1, NULL, $2) AS r");
        let result: Value =
            sqlx::query_scalar(AssertSqlSafe(sql)).bind(tenant).bind(input).fetch_one(self.pool()).await?;
        anyhow::ensure!(result["status"] == "success", "{action}: {result}");
        Ok(result)
    }

    /// An order of Ada's, whose charge is queued; `number` is that of its invoice, too.
    async fn charge(&self, tenant: Uuid, number: &str) -> Outcome {
        self.run_for(
            tenant,
            "INSERT INTO sales.tb_customer (tenant_id, name) SELECT current_setting('app.tenant_id')::uuid, 'Ada' \
                              WHERE NOT EXISTS (SELECT FROM sales.tb_customer)",
        )
        .await?;
        let order = self.succeed(tenant, "create_order", json!({"number": number})).await?;
        let customer = self.text_for(tenant, "SELECT id::text FROM sales.tb_customer").await?;
        self.succeed(tenant, "charge", json!({"id": order["id"], "customer": customer})).await?;
        Ok(())
    }

    /// Ends the oldest job that is ready; what the queue says.
    async fn end(&self, end: &str) -> anyhow::Result<String> {
        let worker = Uuid::new_v4();
        sqlx::query("SELECT jobs.register_worker($1, 'w', '1', '{}')").bind(worker).execute(self.pool()).await?;
        let sql = format!(
            "WITH c AS MATERIALIZED (SELECT * FROM jobs.claim($1, ARRAY(SELECT code FROM jobs.tb_operation), 1)) \
             SELECT e.result FROM c CROSS JOIN LATERAL {end} AS e"
        );
        Ok(sqlx::query_scalar(AssertSqlSafe(sql)).bind(worker).fetch_one(self.pool()).await?)
    }

    async fn invoice(&self, number: &str) -> anyhow::Result<Option<String>> {
        self.text(&format!("SELECT concat_ws('; ', state, note) FROM sales.tb_invoice WHERE number = '{number}'")).await
    }

    async fn gone(&self) -> anyhow::Result<Vec<String>> {
        let sql = "SELECT regexp_replace(message, '[0-9a-f]{8}-[0-9a-f-]*', 'ID') FROM jobs.v_job_attempt \
                   WHERE event = 'row_gone' ORDER BY 1";
        Ok(sqlx::query_scalar(sql).fetch_all(self.pool()).await?)
    }
}

#[tokio::test]
async fn a_callback_reads_the_rows_of_its_action_as_they_are_when_the_job_ends() -> Outcome {
    let shop = Shop::open().await?;
    shop.charge(shop.tenant, "A-1").await?;
    shop.run("UPDATE sales.tb_customer SET name = 'Countess', paid = 7").await?;
    assert_eq!(shop.end(COMPLETE).await?, "completed");
    assert_eq!(shop.invoice("A-1").await?.as_deref(), Some("paid; by Countess"));
    assert_eq!(shop.text("SELECT paid::text FROM sales.tb_customer").await?.as_deref(), Some("8"));
    assert_eq!(shop.text("SELECT state FROM sales.tb_order").await?.as_deref(), Some("charged"));
    assert_eq!(shop.gone().await?, [""; 0], "no failed invoice was found, which is no loss");

    // The callback hands the rows on to its own call.
    shop.run("UPDATE sales.tb_customer SET name = 'Ada'").await?;
    assert_eq!(shop.end(COMPLETE).await?, "completed");
    assert_eq!(shop.invoice("A-1").await?.as_deref(), Some("paid; by Countess, told Ada"));
    Ok(())
}

#[tokio::test]
async fn the_callback_of_a_failed_call_knows_them_too_and_a_later_action_finds_what_it_wrote() -> Outcome {
    let shop = Shop::open().await?;
    shop.charge(shop.tenant, "A-1").await?;
    assert_eq!(shop.end(FAIL).await?, "failed");
    assert_eq!(shop.invoice("A-1").await?.as_deref(), Some("failed"));
    shop.charge(shop.tenant, "A-2").await?;
    assert_eq!(shop.end(COMPLETE).await?, "completed");
    assert_eq!(shop.invoice("A-1").await?.as_deref(), Some("failed; instead by Ada"));
    Ok(())
}

#[tokio::test]
async fn a_row_that_was_deleted_softly_is_read_and_updated_all_the_same() -> Outcome {
    let shop = Shop::open().await?;
    shop.charge(shop.tenant, "A-1").await?;
    shop.run("UPDATE sales.tb_invoice SET deleted_at = now(); UPDATE sales.tb_customer SET deleted_at = now()").await?;
    assert_eq!(shop.end(COMPLETE).await?, "completed");
    assert_eq!(shop.invoice("A-1").await?.as_deref(), Some("paid; by Ada"));
    assert_eq!(shop.gone().await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn a_row_that_is_gone_is_null_its_update_touches_nothing_and_the_job_says_so() -> Outcome {
    let shop = Shop::open().await?;
    shop.charge(shop.tenant, "A-1").await?;
    shop.charge(shop.tenant, "A-2").await?;
    shop.run("DELETE FROM sales.tb_invoice WHERE number = 'A-1'").await?;
    assert_eq!(shop.end(COMPLETE).await?, "completed");
    assert_eq!(shop.text("SELECT state FROM sales.tb_order WHERE number = 'A-1'").await?.as_deref(), Some("charged"));
    assert_eq!(shop.invoice("A-2").await?.as_deref(), Some("open"), "nobody else's row");
    assert_eq!(shop.gone().await?, ["`invoice` is gone: there is no Invoice with the id ID"]);
    assert_eq!(shop.end(COMPLETE).await?, "completed");
    assert_eq!(shop.invoice("A-2").await?.as_deref(), Some("paid; by Ada"));
    // The nested call was queued without the invoice.
    assert_eq!(shop.end(COMPLETE).await?, "completed");
    assert_eq!(shop.gone().await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_row_of_another_tenant_is_none() -> Outcome {
    let shop = Shop::open().await?;
    shop.charge(shop.other, "B-1").await?;
    shop.charge(shop.tenant, "A-1").await?;
    let theirs = shop.text_for(shop.other, "SELECT id::text FROM sales.tb_invoice").await?.unwrap();
    sqlx::query("UPDATE jobs.tb_job_run SET callback_rows = callback_rows || jsonb_build_object('invoice', $1) WHERE tenant_id = $2")
        .bind(&theirs)
        .bind(shop.tenant)
        .execute(shop.pool())
        .await?;
    for _ in ["charge", "charge", "told", "told"] {
        assert_eq!(shop.end(COMPLETE).await?, "completed");
    }
    assert_eq!(shop.gone().await?, ["`invoice` is gone: there is no Invoice with the id ID"]);
    assert_eq!(shop.invoice("A-1").await?.as_deref(), Some("open"));
    let told = shop.text_for(shop.other, "SELECT concat_ws('; ', state, note) FROM sales.tb_invoice").await?;
    assert_eq!(told.as_deref(), Some("paid; by Ada, told Ada"), "by their own jobs");
    Ok(())
}

#[tokio::test]
async fn a_job_that_was_queued_before_its_callback_read_a_row_fails_at_once_and_undoes_nothing_by_half() -> Outcome {
    let shop = Shop::open().await?;
    shop.charge(shop.tenant, "A-1").await?;
    sqlx::query("UPDATE jobs.tb_job_run SET callback_rows = callback_rows - 'invoice'").execute(shop.pool()).await?;
    assert_eq!(shop.end(COMPLETE).await?, "failed");
    let why: String = sqlx::query_scalar("SELECT concat(failure_class, ': ', error_message) FROM jobs.v_job_run")
        .fetch_one(shop.pool())
        .await?;
    assert!(why.starts_with("callback_failed: "), "{why}");
    assert!(why.contains("the job carries no `invoice`: it was queued before its callback read that row"), "{why}");
    assert_eq!(shop.text("SELECT state FROM sales.tb_order").await?.as_deref(), Some("new"));
    Ok(())
}

#[tokio::test]
async fn a_callback_that_only_looks_at_such_a_row_locks_it_too() -> Outcome {
    let shop = Shop::open().await?;
    shop.run("INSERT INTO sales.tb_invoice (tenant_id, number) SELECT current_setting('app.tenant_id')::uuid, 'x'")
        .await?;
    let invoice = shop.text("SELECT id::text FROM sales.tb_invoice").await?;
    shop.succeed(shop.tenant, "look", json!({"first": invoice})).await?;
    assert_eq!(shop.end(COMPLETE).await?, "completed");
    Ok(())
}

#[tokio::test]
async fn the_row_of_the_call_stays_the_current_one_when_a_callback_inserts_another() -> Outcome {
    let shop = Shop::open().await?;
    let order = shop.succeed(shop.tenant, "create_order", json!({"number": "first"})).await?;
    shop.succeed(shop.tenant, "reorder", json!({"id": order["id"]})).await?;
    assert_eq!(shop.end(COMPLETE).await?, "completed");
    let states = "SELECT string_agg(concat(number, ' ', state), ', ' ORDER BY pk_order) FROM sales.tb_order";
    assert_eq!(shop.text(states).await?.as_deref(), Some("first charged, copy refused"));
    Ok(())
}

#[tokio::test]
async fn the_row_of_the_call_is_meant_by_its_id_too_though_it_was_deleted() -> Outcome {
    let shop = Shop::open().await?;
    let order = shop.succeed(shop.tenant, "create_order", json!({"number": "first"})).await?;
    shop.succeed(shop.tenant, "mark", json!({"id": order["id"]})).await?;
    shop.run("UPDATE sales.tb_order SET deleted_at = now()").await?;
    assert_eq!(shop.end(COMPLETE).await?, "completed");
    assert_eq!(shop.text("SELECT state FROM sales.tb_order").await?.as_deref(), Some("charged"));
    Ok(())
}

#[tokio::test]
async fn each_round_of_a_loop_carries_its_own_rows() -> Outcome {
    let shop = Shop::open().await?;
    shop.run(
        "INSERT INTO sales.tb_customer (tenant_id, name) SELECT current_setting('app.tenant_id')::uuid, n FROM unnest('{x,y}'::text[]) AS n; \
         INSERT INTO sales.tb_invoice (tenant_id, number, fk_customer) SELECT tenant_id, name, pk_customer FROM sales.tb_customer",
    )
    .await?;
    let order = shop.succeed(shop.tenant, "create_order", json!({"number": "n"})).await?;
    shop.succeed(shop.tenant, "each", json!({})).await?;
    drop(order);
    for _ in 0..2 {
        assert_eq!(shop.end(COMPLETE).await?, "completed");
    }
    assert_eq!(shop.invoice("x").await?.as_deref(), Some("open; x"));
    assert_eq!(shop.invoice("y").await?.as_deref(), Some("open; y"));
    Ok(())
}

#[tokio::test]
async fn rows_of_one_entity_are_locked_in_the_order_of_their_keys_whatever_their_names() -> Outcome {
    let shop = Shop::open().await?;
    shop.run(
        "INSERT INTO sales.tb_invoice (tenant_id, number) \
         SELECT current_setting('app.tenant_id')::uuid, n FROM unnest('{low,high}'::text[]) AS n",
    )
    .await?;
    let id = async |number: &str| {
        shop.text(&format!("SELECT id::text FROM sales.tb_invoice WHERE number = '{number}'")).await
    };
    let (low, high) = (id("low").await?, id("high").await?);
    shop.succeed(shop.tenant, "swap", json!({"first": high, "second": low})).await?;

    let mut holder = shop.pool().begin().await?;
    sqlx::query("SELECT set_config('app.tenant_id', $1, true)")
        .bind(shop.tenant.to_string())
        .execute(&mut *holder)
        .await?;
    sqlx::query("SELECT FROM sales.tb_invoice WHERE number = 'low' FOR UPDATE").execute(&mut *holder).await?;
    let ending = async { shop.end(COMPLETE).await };
    let looking = async {
        // Until the callback waits for `low`.
        loop {
            let waits: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
                .fetch_one(shop.pool())
                .await?;
            if waits {
                break;
            }
        }
        let free = "SELECT number FROM sales.tb_invoice WHERE number = 'high' FOR UPDATE SKIP LOCKED";
        let free: Option<String> = sqlx::query_scalar(free).fetch_optional(&mut *holder).await?;
        holder.commit().await?;
        anyhow::Ok(free)
    };
    let (ended, free) = tokio::join!(ending, looking);
    assert_eq!(free?.as_deref(), Some("high"), "it is not locked before `low`");
    // It waits for a quarter of a second, and then it comes again.
    assert!(["completed", "callback_waiting"].contains(&&*ended?));
    sqlx::query("UPDATE jobs.tb_job_callback SET run_at = now()").execute(shop.pool()).await?;
    sqlx::query("SELECT jobs.run_callbacks()").execute(shop.pool()).await?;
    assert_eq!(shop.invoice("high").await?.as_deref(), Some("open; low"));
    assert_eq!(shop.invoice("low").await?.as_deref(), Some("open; high"));
    Ok(())
}
