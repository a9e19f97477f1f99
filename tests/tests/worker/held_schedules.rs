//! Calls of schedules that are slow, or wait for a lock: what they do not hold up, and what is recorded of them.

use std::time::{Duration, Instant};

use specql_compiler::Compilation;
use specql_runtime::{Database, Project, Worker, testing::TestDatabase};
use specql_tests::{compiled, logged};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use uuid::Uuid;

use crate::project::eventually;

static PROJECT: Project = Project {
    name: "test",
    root: "",
    compiler_version: "",
    migrations: &[],
    registry: "{\"services\":{}}",
    uses_jobs: true,
    functions: &[],
};

/// Bills of three tenants that are touched every second, and a clock of no tenant that ticks as often.
fn project() -> Compilation {
    let bills = "\
entity: Bill
schema: sales
fields: {note: text, touched: integer! = 0}
schedules: [{name: every, cron: '* * * * * *', action: touch, for_each_tenant: true}]
actions:
  - name: touch
    steps: [{update: Bill SET touched = touched + 1 WHERE note = 'open'}]
";
    let ticks = "\
entity: Tick
schema: crm
fields: {note: text!}
schedules: [{name: beat, cron: '* * * * * *', action: tick}, {name: held, cron: '* * * * * *', action: hold}]
actions:
  - {name: tick, steps: [{insert: Tick, values: {note: \"beat\"}}]}
  - {name: hold, steps: [{delete: Tick WHERE note = 'held'}]}
";
    compiled::files(&[
        ("entities/company.yaml", "entity: Company\nschema: crm\nfields: {name: text!}\n"),
        ("entities/bill.yaml", bills),
        ("entities/tick.yaml", ticks),
        ("registry/domain_registry.yaml", "domains: {crm: {}, sales: {multi_tenant: true, tenants: Company}}\n"),
    ])
    .unwrap()
}

/// Three companies with one open bill each.
struct Shop {
    test: TestDatabase,
    database: Database,
}

impl Shop {
    async fn new() -> Self {
        let test = compiled::database(&project()).await.unwrap();
        let database = Database::from_pool(test.pool().clone(), &PROJECT);
        let this = Self { test, database };
        for name in ["a", "b", "c"] {
            let mut tx = this.test.pool().begin().await.unwrap();
            let id: Uuid = sqlx::query_scalar("INSERT INTO crm.tb_company (name) VALUES ($1) RETURNING id")
                .bind(name)
                .fetch_one(&mut *tx)
                .await
                .unwrap();
            sqlx::query("SELECT set_config('app.tenant_id', $1, true)")
                .bind(id.to_string())
                .execute(&mut *tx)
                .await
                .unwrap();
            sqlx::query("INSERT INTO sales.tb_bill (tenant_id, note) VALUES ($1, 'open')")
                .bind(id)
                .execute(&mut *tx)
                .await
                .unwrap();
            tx.commit().await.unwrap();
        }
        this.execute("INSERT INTO crm.tb_tick (note) VALUES ('held')").await;
        this
    }

    async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(self.test.pool()).await.unwrap();
    }

    async fn company(&self, name: &str) -> Uuid {
        let sql = "SELECT id FROM crm.tb_company WHERE name = $1";
        sqlx::query_scalar(sql).bind(name).fetch_one(self.test.pool()).await.unwrap()
    }

    async fn worker(&self) -> Worker {
        Worker::builder(&self.database).shutdown_timeout(Duration::from_secs(2)).start().await.unwrap()
    }

    /// A transaction of somebody else that keeps a lock.
    async fn holding(&self, sql: String) -> PgConnection {
        let mut other = PgConnection::connect_with(&self.test.pool().connect_options()).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("BEGIN; {sql}"))).execute(&mut other).await.unwrap();
        other
    }

    async fn holding_bill_of(&self, company: Uuid) -> PgConnection {
        self.holding(format!(
            "SET LOCAL app.tenant_id = '{company}'; SELECT FROM sales.tb_bill WHERE tenant_id = '{company}' FOR UPDATE"
        ))
        .await
    }

    /// How often the schedule ran for the company, and failed, and the last message.
    async fn outcome(&self, company: Uuid) -> (i64, i64, Option<String>) {
        sqlx::query_as("SELECT runs, failures, last_message FROM jobs.tb_schedule_outcome WHERE tenant_id = $1")
            .bind(company)
            .fetch_optional(self.test.pool())
            .await
            .unwrap()
            .unwrap_or_default()
    }

    /// Runs of a schedule, its failures, and what was said of the last one.
    async fn record(&self, name: &str) -> (i64, i64, Option<String>) {
        sqlx::query_as("SELECT runs, failures, last_message FROM jobs.v_schedule WHERE name = $1")
            .bind(name)
            .fetch_one(self.test.pool())
            .await
            .unwrap()
    }
}

// On one thread, whose log is kept.
#[tokio::test]
async fn a_locked_row_of_one_tenant_holds_up_no_other_and_is_recorded_as_its_failure() {
    let shop = Shop::new().await;
    let [locked, free, other] = [shop.company("a").await, shop.company("b").await, shop.company("c").await];
    logged::keep();
    let lock = shop.holding_bill_of(locked).await;
    let worker = shop.worker().await;
    let began = Instant::now();
    eventually(async || {
        let runs = [shop.outcome(free).await.0, shop.outcome(other).await.0, shop.record("beat").await.0];
        (runs.iter().all(|runs| *runs >= 5)).then_some(())
    })
    .await;
    assert!(began.elapsed() < Duration::from_secs(20), "they waited: {:?}", began.elapsed());
    eventually(async || (shop.outcome(locked).await.1 >= 2).then_some(())).await;
    let said = shop.outcome(locked).await.2.unwrap();
    assert!(said.contains("55P03") && said.contains("10s"), "{said}");
    assert!(shop.record("every").await.1 >= 2);
    let log = logged::take();
    let line = log.lines().find(|line| line.contains("wanted for too long")).expect("it was said");
    for part in ["ERROR", "Bill.every", &locked.to_string(), "55P03"] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    // When the lock is gone, the next call is as any other.
    let (runs, failures, _) = shop.outcome(locked).await;
    lock.close().await.unwrap();
    eventually(async || {
        let now = shop.outcome(locked).await;
        (now.0 - now.1 > runs - failures).then_some(())
    })
    .await;
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_meets_a_lock_fails_and_the_others_go_on() {
    let shop = Shop::new().await;
    let lock = shop.holding("SELECT FROM crm.tb_tick WHERE note = 'held' FOR UPDATE".to_owned()).await;
    let worker = shop.worker().await;
    let began = Instant::now();
    eventually(async || (shop.record("beat").await.0 >= 5).then_some(())).await;
    assert!(began.elapsed() < Duration::from_secs(15), "it waited: {:?}", began.elapsed());
    eventually(async || (shop.record("held").await.1 >= 1).then_some(())).await;
    let said = shop.record("held").await.2.unwrap();
    assert!(said.contains("55P03"), "{said}");
    lock.close().await.unwrap();
    worker.shutdown().await.unwrap();
}

/// What has much to do has its time, however long the others' calls are.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_call_that_waits_for_nobody_ends_well_while_the_others_go_on() {
    let shop = Shop::new().await;
    shop.execute(
        "CREATE FUNCTION sales.slow() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF EXISTS (SELECT FROM crm.tb_company AS c WHERE c.id = NEW.tenant_id AND c.name = 'a') THEN
                PERFORM pg_sleep(13);
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER slow BEFORE UPDATE ON sales.tb_bill FOR EACH ROW EXECUTE FUNCTION sales.slow()",
    )
    .await;
    let [slow, free] = [shop.company("a").await, shop.company("b").await];
    let worker = shop.worker().await;
    eventually(async || (shop.outcome(free).await.0 >= 4).then_some(())).await;
    assert_eq!(shop.outcome(slow).await.0, 0, "the others waited for it");
    eventually(async || (shop.outcome(slow).await.0 >= 1).then_some(())).await;
    assert_eq!(shop.outcome(slow).await.1, 0);
    worker.shutdown().await.unwrap();
}
