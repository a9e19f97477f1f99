//! Schedules that run for each tenant: each of them once, whatever becomes of the others.

use std::time::Duration;

use specql_compiler::Compilation;
use specql_runtime::{Database, Project, Worker, testing::TestDatabase};
use specql_tests::compiled;
use sqlx::{Connection as _, PgConnection, PgPool};
use uuid::Uuid;

use crate::project::eventually;

static PROJECT: Project = Project {
    name: "test",
    root: "",
    compiler_version: "",
    migrations: &[],
    migrations_table: "_sqlx_migrations",
    registry: "{\"services\":{}}",
    uses_jobs: true,
    functions: &[],
};

/// Companies, each with bills of its own that are remembered at night.
fn project() -> Compilation {
    let bills = "\
entity: Bill
schema: sales
fields: {note: text!}
schedules: [{name: nightly, cron: '0 0 1 1 *', action: remember, input: {note: \"due\"}, for_each_tenant: true}]
actions:
  - name: remember
    input: {note: text!}
    steps: [{insert: Bill, values: {note: $input.note}}]
";
    compiled::files(&[
        ("entities/company.yaml", "entity: Company\nschema: crm\nfields: {name: text!}\n"),
        ("entities/bill.yaml", bills),
        ("registry/domain_registry.yaml", "domains: {crm: {}, sales: {multi_tenant: true, tenants: Company}}\n"),
    ])
    .unwrap()
}

struct Companies {
    test: TestDatabase,
    database: Database,
}

impl Companies {
    /// So many companies, and one that is deleted. The last year's beginning is still to be run for them.
    async fn new(companies: i32) -> Self {
        let test = compiled::database(&project()).await.unwrap();
        let database = Database::from_pool(test.pool().clone(), &PROJECT);
        sqlx::query(
            "INSERT INTO crm.tb_company (name) SELECT 'c' || lpad(n::text, 5, '0') FROM generate_series(1, $1) AS n",
        )
        .bind(companies)
        .execute(test.pool())
        .await
        .unwrap();
        let this = Self { test, database };
        this.execute(
            "INSERT INTO crm.tb_company (name, deleted_at) VALUES ('gone', now());
            UPDATE jobs.tb_schedule SET counted_to = now() - interval '1 year'",
        )
        .await;
        this
    }

    fn pool(&self) -> &PgPool {
        self.test.pool()
    }

    async fn connection(&self) -> PgConnection {
        PgConnection::connect_with(&self.pool().connect_options()).await.unwrap()
    }

    async fn worker(&self) -> Worker {
        Worker::builder(&self.database).shutdown_timeout(Duration::from_secs(5)).start().await.unwrap()
    }

    async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(self.pool()).await.unwrap();
    }

    async fn until(&self, sql: &'static str) {
        eventually(async || {
            let so: bool = sqlx::query_scalar(sql).fetch_one(self.pool()).await.unwrap();
            so.then_some(())
        })
        .await;
    }

    /// The companies' names, each as often as it has a bill that it sees itself.
    async fn remembered(&self) -> Vec<String> {
        let mut tx = self.pool().begin().await.unwrap();
        let companies: Vec<(String, String)> =
            sqlx::query_as("SELECT id::text, name FROM crm.tb_company ORDER BY name")
                .fetch_all(&mut *tx)
                .await
                .unwrap();
        let mut names = Vec::new();
        for (id, name) in companies {
            sqlx::query("SELECT set_config('app.tenant_id', $1, true)").bind(&id).execute(&mut *tx).await.unwrap();
            let sql = "SELECT count(*) FROM sales.tb_bill WHERE note = 'due' AND tenant_id::text = $1";
            let bills: i64 = sqlx::query_scalar(sql).bind(&id).fetch_one(&mut *tx).await.unwrap();
            names.extend((0..bills).map(|_| name.clone()));
        }
        names
    }

    /// Runs, failures, and tenants that are still to be run for.
    async fn record(&self) -> (i64, i64, i64) {
        sqlx::query_as(
            "SELECT runs, failures, tenants_waiting FROM jobs.v_schedule WHERE for_each_tenant AND name = 'nightly'",
        )
        .fetch_one(self.pool())
        .await
        .unwrap()
    }
}

fn names(companies: std::ops::RangeInclusive<i32>) -> Vec<String> {
    companies.map(|company| format!("c{company:05}")).collect()
}

const DONE: &str = "SELECT runs > 0 AND tenants_waiting = 0 FROM jobs.v_schedule";

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_run_once_for_each_tenant_over_two_workers_of_which_one_dies() {
    let companies = Companies::new(250).await;
    let (first, second) = (companies.worker().await, companies.worker().await);
    companies.until("SELECT runs > 10 FROM jobs.v_schedule").await;
    drop(first); // As if the process were killed.
    companies.until(DONE).await;
    second.shutdown().await.unwrap();
    assert_eq!(companies.remembered().await, names(1..=250));
    assert_eq!(companies.record().await, (250, 0, 0));
    // Each run is recorded in its tenant's name.
    let audited: i64 = sqlx::query_scalar(
        "SELECT count(DISTINCT a.tenant_id) FROM app.tb_mutation_audit_log AS a JOIN crm.tb_company AS c ON c.id = a.tenant_id
        WHERE a.status = 'success' AND c.deleted_at IS NULL",
    )
    .fetch_one(companies.pool())
    .await
    .unwrap();
    assert_eq!(audited, 250);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_whose_run_is_undone_keeps_no_other_waiting_and_is_run_again() {
    let companies = Companies::new(3).await;
    companies
        .execute(
            "CREATE TABLE sales.locked (tenant_id text);
            INSERT INTO sales.locked SELECT id::text FROM crm.tb_company WHERE name = 'c00002';
            CREATE FUNCTION sales.lose() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF EXISTS (SELECT FROM sales.locked AS l WHERE l.tenant_id = NEW.tenant_id::text) THEN
                    RAISE EXCEPTION USING ERRCODE = '40001';
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER lose BEFORE INSERT ON sales.tb_bill FOR EACH ROW EXECUTE FUNCTION sales.lose()",
        )
        .await;
    let worker = companies.worker().await;
    companies.until("SELECT runs = 2 FROM jobs.v_schedule").await;
    assert_eq!(companies.remembered().await, ["c00001", "c00003"]);
    assert_eq!(companies.record().await, (2, 0, 1));
    companies.execute("DELETE FROM sales.locked").await;
    companies.until(DONE).await;
    worker.shutdown().await.unwrap();
    assert_eq!(companies.remembered().await, names(1..=3));
    assert_eq!(companies.record().await, (3, 0, 0));
}

/// A time of so many days ago is due: what the database says.
async fn due(connection: &mut PgConnection, days: i32) -> String {
    let sql = "SELECT jobs.run_schedule(s.key, s.cron, s.timezone, s.counted_to, now() - $1 * interval '1 day', 0, true) FROM jobs.schedules() AS s";
    sqlx::query_scalar(sql).bind(days).fetch_one(connection).await.unwrap()
}

/// What comes of a worker's call for each time and tenant that is written down, the earliest first.
async fn run_all(connection: &mut PgConnection, worker: u128) -> Vec<String> {
    let sql = "SELECT jobs.run_for_tenant($1, t.key, t.tenant_id, t.due) FROM (SELECT * FROM jobs.tb_schedule_tenant ORDER BY due) AS t";
    sqlx::query_scalar(sql).bind(Uuid::from_u128(worker)).fetch_all(connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_connection_runs_for_a_tenant_another_leaves_alone() {
    let companies = Companies::new(1).await;
    let (mut one, mut two) = (companies.connection().await, companies.connection().await);
    assert_eq!(due(&mut one, 2).await, "spread");
    // The next time comes before the first is run.
    assert_eq!(due(&mut two, 1).await, "spread");
    sqlx::raw_sql("BEGIN").execute(&mut one).await.unwrap();
    let first = "SELECT jobs.run_for_tenant($1, 'Bill.nightly', t.tenant_id, t.due) FROM jobs.scheduled_tenants('Bill.nightly') AS t";
    let first = sqlx::query_scalar::<_, String>(first).bind(Uuid::from_u128(1)).fetch_all(&mut one).await.unwrap();
    assert_eq!(first, ["success"]);
    // While it is under way: neither that time nor the one behind it, and nothing at all by a worker that has lost that connection.
    assert_eq!(run_all(&mut two, 2).await, ["taken", "taken"]);
    assert_eq!(run_all(&mut two, 1).await, ["busy", "busy"]);
    // Nor does it keep the schedule from being due again.
    assert_eq!(due(&mut two, 0).await, "spread");
    sqlx::raw_sql("COMMIT").execute(&mut one).await.unwrap();
    assert_eq!(run_all(&mut two, 2).await, ["success"]);
    assert_eq!(companies.remembered().await, ["c00001", "c00001"]);
    assert_eq!(companies.record().await, (2, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_behind_gets_one_run_more_and_one_that_is_gone_none() {
    let companies = Companies::new(2).await;
    let mut connection = companies.connection().await;
    for days in [5, 4, 3, 2, 1] {
        assert_eq!(due(&mut connection, days).await, "spread");
    }
    // One may be under way, and one waits.
    let written: i64 =
        sqlx::query_scalar("SELECT count(*) FROM jobs.tb_schedule_tenant").fetch_one(companies.pool()).await.unwrap();
    assert_eq!(written, 4);
    assert_eq!(companies.record().await, (0, 0, 2));
    companies.execute("UPDATE crm.tb_company SET deleted_at = now() WHERE name = 'c00002'").await;
    let mut came = run_all(&mut connection, 1).await;
    came.sort();
    assert_eq!(came, ["skipped", "skipped", "success", "success"]);
    assert_eq!(companies.remembered().await, ["c00001", "c00001"]);
    // All times are caught up with where the schedule says so.
    companies.execute("UPDATE jobs.tb_schedule SET catch_up = 'all', counted_to = now() - interval '1 year'").await;
    for days in [5, 4, 3] {
        assert_eq!(due(&mut connection, days).await, "spread");
    }
    assert_eq!(run_all(&mut connection, 1).await, ["success"; 3]);
    assert_eq!(companies.record().await, (5, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_take_turns_however_many_tenants_one_of_them_has() {
    let companies = Companies::new(300).await;
    // As if a second one had been due after it.
    companies
        .execute(
            "INSERT INTO jobs.tb_schedule SELECT 'Bill.other' AS key, s.entity_type, 'other', s.wrapper, '0 0 2 1 *', s.timezone, '{\"note\": \"other\"}', s.catch_up,
                now(), 0, 0, 0, NULL, NULL, NULL, NULL, s.tenants_schema, s.tenants_table FROM jobs.tb_schedule AS s;
            INSERT INTO jobs.tb_schedule_tenant SELECT 'Bill.other', c.id, now() FROM crm.tb_company AS c WHERE c.name = 'c00300'",
        )
        .await;
    let worker = companies.worker().await;
    companies.until("SELECT runs = 1 FROM jobs.v_schedule WHERE name = 'other'").await;
    let before: i64 = sqlx::query_scalar("SELECT runs FROM jobs.v_schedule WHERE name = 'nightly'")
        .fetch_one(companies.pool())
        .await
        .unwrap();
    companies.until("SELECT bool_and(runs > 0 AND tenants_waiting = 0) FROM jobs.v_schedule").await;
    worker.shutdown().await.unwrap();
    assert!(before < 300, "the one tenant of the other waited for all 300");
    assert_eq!(companies.remembered().await, names(1..=300));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_is_gone_is_recorded_in_its_tenants_name() {
    let companies = Companies::new(1).await;
    companies.execute("DROP FUNCTION app.remember(uuid, uuid, jsonb)").await;
    let worker = companies.worker().await;
    companies.until(DONE).await;
    worker.shutdown().await.unwrap();
    assert_eq!(companies.record().await, (1, 1, 0));
    let said: Vec<(String, String)> = sqlx::query_as(
        "SELECT a.status, a.error_sqlstate FROM app.tb_mutation_audit_log AS a JOIN crm.tb_company AS c ON c.id = a.tenant_id",
    )
    .fetch_all(companies.pool())
    .await
    .unwrap();
    assert_eq!(said, [("failed:unexpected_error".to_owned(), "42883".to_owned())]);
}

#[test]
fn the_page_about_schedules_shows_what_compiles() {
    let page = include_str!("../../../docs/schedules.md");
    let mut files =
        vec![("entities/company.yaml".to_owned(), "entity: Company\nschema: crm\nfields: {name: text!}\n".to_owned())];
    for block in page.split("```yaml\n").skip(1) {
        let text = block.split("```").next().unwrap().to_owned();
        let path = text.strip_prefix("# ").and_then(|text| text.lines().next());
        let path = path.map_or_else(|| format!("entities/{}.yaml", files.len()), str::to_owned);
        files.push((path, text));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let model = compiled::files(&files).unwrap().model;
    let found: Vec<_> = model.schedules.iter().map(|one| (one.name.as_str(), one.tenants.is_some())).collect();
    assert_eq!(found, [("daily", false), ("nightly", false), ("weekly", true)]);
}
