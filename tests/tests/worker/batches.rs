//! Schedules whose action is done in batches: every row once, whatever becomes of the worker, and no transaction of many rows.

use std::time::Duration;

use specql_compiler::Compilation;
use specql_runtime::{Database, Project, Worker, testing::TestDatabase};
use specql_tests::compiled;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use uuid::Uuid;

use crate::project::eventually;

static PROJECT: Project = Project {
    name: "test",
    root: "",
    compiler_version: "",
    migrations: &[],
    migrations_table: "_sqlx_migrations",
    functions: &[],
    registry: "{\"services\":{}}",
    uses_jobs: true,
};

/// Bills, of which each gets a reminder, ten in a call.
fn project(for_each_tenant: bool) -> Compilation {
    let bills = format!(
        "\
entity: Bill
schema: sales
fields: {{open: boolean! = true, reminders: integer! = 0, note: text}}
schedules: [{{name: nightly, cron: '0 0 1 1 *', action: remind, for_each_tenant: {for_each_tenant}}}]
actions:
  - name: remind
    steps:
      - foreach: bill in find Bill WHERE open
        in_batches_of: 10
        do:
          - validate: $bill.note IS NULL
            error: noted
          - update: Bill SET reminders = $bill.reminders + 1
"
    );
    let domains = format!("domains: {{crm: {{}}, sales: {{multi_tenant: {for_each_tenant}, tenants: Company}}}}\n");
    let domains = if for_each_tenant { domains } else { "domains: {crm: {}, sales: {}}\n".to_owned() };
    compiled::files(&[
        ("entities/company.yaml", "entity: Company\nschema: crm\nfields: {name: text!}\n"),
        ("entities/bill.yaml", &bills),
        ("registry/domain_registry.yaml", &domains),
    ])
    .unwrap()
}

struct Bills {
    test: TestDatabase,
    database: Database,
}

impl Bills {
    /// Without tenants: so many bills.
    async fn new(bills: i32) -> Self {
        let this = Self::open(false).await;
        this.execute(&format!("INSERT INTO sales.tb_bill SELECT FROM generate_series(1, {bills})")).await;
        this
    }

    /// Two companies, each with so many bills.
    async fn of_companies(bills: i32) -> Self {
        let this = Self::open(true).await;
        for company in ["a", "b"] {
            this.execute(&format!(
                "WITH c AS (INSERT INTO crm.tb_company (name) VALUES ('{company}') RETURNING id),
                s AS MATERIALIZED (SELECT set_config('app.tenant_id', id::text, false) FROM c)
                INSERT INTO sales.tb_bill (tenant_id) SELECT c.id FROM c, s, generate_series(1, {bills})"
            ))
            .await;
        }
        this
    }

    /// The last year's beginning is still to be run.
    async fn open(for_each_tenant: bool) -> Self {
        let test = compiled::database(&project(for_each_tenant)).await.unwrap();
        let database = Database::from_pool(test.pool().clone(), &PROJECT);
        let this = Self { test, database };
        this.execute("UPDATE jobs.tb_schedule SET counted_to = now() - interval '1 year'").await;
        this
    }

    fn pool(&self) -> &PgPool {
        self.test.pool()
    }

    /// In a session of its own, whose settings nobody else has.
    async fn connection(&self) -> PgConnection {
        PgConnection::connect_with(&self.pool().connect_options()).await.unwrap()
    }

    async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.connection().await).await.unwrap();
    }

    async fn worker(&self) -> Worker {
        Worker::builder(&self.database).shutdown_timeout(Duration::from_secs(5)).start().await.unwrap()
    }

    /// How many bills have how many reminders, of all tenants together.
    async fn reminders(&self) -> Vec<(i32, i64)> {
        let mut counted = std::collections::BTreeMap::new();
        let tenants: Vec<Uuid> =
            sqlx::query_scalar("SELECT id FROM crm.tb_company").fetch_all(self.pool()).await.unwrap();
        let mut session = self.connection().await;
        for tenant in tenants.into_iter().map(|tenant| tenant.to_string()).chain([String::new()]) {
            sqlx::query("SELECT set_config('app.tenant_id', $1, false)")
                .bind(tenant)
                .execute(&mut session)
                .await
                .unwrap();
            let sql = "SELECT reminders, count(*) FROM sales.tb_bill GROUP BY 1";
            let rows: Vec<(i32, i64)> = sqlx::query_as(sql).fetch_all(&mut session).await.unwrap();
            rows.into_iter().for_each(|(reminders, bills)| *counted.entry(reminders).or_insert(0) += bills);
        }
        counted.into_iter().collect()
    }

    /// Runs and failures of the schedule.
    async fn record(&self) -> (i64, i64) {
        let sql = "SELECT runs, failures FROM jobs.v_schedule";
        sqlx::query_as(sql).fetch_one(self.pool()).await.unwrap()
    }

    async fn left(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM jobs.tb_schedule_tenant").fetch_one(self.pool()).await.unwrap()
    }
}

/// A time of so many days ago is due: what the database says.
async fn due(connection: &mut PgConnection, days: i32) -> String {
    let sql = "SELECT jobs.run_schedule(s.key, s.cron, s.timezone, s.counted_to, now() - $1 * interval '1 day', 0, true) FROM jobs.schedules() AS s";
    sqlx::query_scalar(sql).bind(days).fetch_one(connection).await.unwrap()
}

/// What comes of the call that is next.
async fn go_on(connection: &mut PgConnection) -> String {
    let sql = "SELECT jobs.run_for_tenant($1, t.key, t.tenant_id, t.due) FROM (SELECT * FROM jobs.tb_schedule_tenant ORDER BY due LIMIT 1) AS t";
    sqlx::query_scalar(sql).bind(Uuid::from_u128(1)).fetch_one(connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_goes_on_until_all_rows_are_done_and_counts_one_run() {
    let bills = Bills::new(95).await;
    let worker = bills.worker().await;
    eventually(async || (bills.record().await == (1, 0)).then_some(())).await;
    worker.shutdown().await.unwrap();
    assert_eq!(bills.reminders().await, [(1, 95)]);
    assert_eq!(bills.left().await, 0);
    let calls: i64 =
        sqlx::query_scalar("SELECT count(*) FROM app.tb_mutation_audit_log").fetch_one(bills.pool()).await.unwrap();
    assert_eq!(calls, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_tenant_goes_on_by_itself() {
    let bills = Bills::of_companies(30).await;
    let worker = bills.worker().await;
    // The last batch was full: only the next one finds that there is none.
    eventually(async || (bills.record().await == (2, 0)).then_some(())).await;
    worker.shutdown().await.unwrap();
    assert_eq!(bills.reminders().await, [(1, 60)]);
    assert_eq!(bills.left().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_killed_is_done_again_and_those_before_it_are_not() {
    let bills = Bills::new(25).await;
    let mut connection = bills.connection().await;
    assert_eq!(due(&mut connection, 1).await, "more");
    assert_eq!(bills.reminders().await, [(0, 15), (1, 10)]);
    // The worker dies in the second one.
    sqlx::raw_sql("BEGIN").execute(&mut connection).await.unwrap();
    assert_eq!(go_on(&mut connection).await, "more");
    drop(connection);
    let mut connection = bills.connection().await;
    eventually(async || (bills.reminders().await == [(0, 15), (1, 10)]).then_some(())).await;
    assert_eq!(go_on(&mut connection).await, "more");
    assert_eq!(bills.reminders().await, [(0, 5), (1, 20)]);
    assert_eq!(go_on(&mut connection).await, "success");
    assert_eq!(bills.reminders().await, [(1, 25)]);
    assert_eq!((bills.record().await, bills.left().await), ((1, 0), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_another_transaction_takes_out_of_a_whole_batch_do_not_end_it() {
    let bills = Bills::new(30).await;
    let mut other = bills.connection().await;
    sqlx::raw_sql("BEGIN; UPDATE sales.tb_bill SET open = FALSE WHERE pk_bill <= 10")
        .execute(&mut other)
        .await
        .unwrap();
    let mut connection = bills.connection().await;
    let calling = due(&mut connection, 1);
    let ending = async {
        eventually(async || {
            let sql = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)";
            let waits: bool = sqlx::query_scalar(sql).fetch_one(bills.pool()).await.unwrap();
            waits.then_some(())
        })
        .await;
        sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    };
    let (said, ()) = tokio::join!(calling, ending);
    assert_eq!(said, "more", "all ten of the first batch were closed, and others are left");
    while bills.left().await > 0 {
        go_on(&mut connection).await;
    }
    assert_eq!(bills.reminders().await, [(0, 10), (1, 20)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_comes_meanwhile_waits_for_its_turn_and_a_batch_that_fails_ends_the_run() {
    let bills = Bills::new(15).await;
    bills.execute("UPDATE sales.tb_bill SET note = 'x' WHERE pk_bill = 12").await;
    let mut connection = bills.connection().await;
    assert_eq!(due(&mut connection, 4).await, "more");
    for days in [3, 2, 1] {
        assert_eq!(due(&mut connection, days).await, "spread");
    }
    assert_eq!(bills.left().await, 2, "one goes on, and one waits");
    assert_eq!(go_on(&mut connection).await, "validation:noted");
    assert_eq!(bills.reminders().await, [(0, 5), (1, 10)]);
    // The next time begins from the first row.
    bills.execute("UPDATE sales.tb_bill SET note = NULL").await;
    assert_eq!(go_on(&mut connection).await, "more");
    assert_eq!(go_on(&mut connection).await, "success");
    assert_eq!(bills.reminders().await, [(1, 5), (2, 10)]);
    assert_eq!((bills.record().await, bills.left().await), ((2, 1), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_calls_the_action_himself_has_all_rows_done_at_once() {
    let bills = Bills::new(25).await;
    let call = "SELECT status FROM app.remind(NULL, NULL, '{}')";
    let status: String = sqlx::query_scalar(call).fetch_one(bills.pool()).await.unwrap();
    assert_eq!(status, "success");
    assert_eq!(bills.reminders().await, [(1, 25)]);
}
