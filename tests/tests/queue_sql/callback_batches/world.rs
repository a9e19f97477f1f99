//! A random project whose callbacks are one update each, and random batches of its jobs.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use specql_compiler::Compilation;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use specql_tests::{compiled, random::Random};

/// What a callback may set on success, and on failure.
const ON_SUCCESS: [&str; 17] = [
    "state = 'paid'",
    "note = $output.id",
    "note = concat(note, '/', $output.id)",
    "note = $job.correlation_id",
    "note = concat($job.service, '.', $job.operation, ' ', $job.id)",
    "note = $own.customer.name",
    "total = total + 1",
    "total = total + $output.count",
    "total = $output.count",
    "total = CASE WHEN total > 5 THEN 0 ELSE total + 2 END",
    "total = $job.attempts + total",
    "ok = $output.flag",
    "ok = NOT ok",
    "mail = $output.mail",
    "extra = $output.data",
    "seen = now()",
    "customer = $output.customer",
];
const ON_FAILURE: [&str; 5] =
    ["state = 'failed'", "note = $error.message", "note = $error.kind", "total = total + $job.attempts", "ok = FALSE"];

pub(super) const TENANTS: [Uuid; 2] = [Uuid::from_u128(0x7e1), Uuid::from_u128(0x7e2)];
const CUSTOMERS: [Uuid; 2] = [Uuid::from_u128(0xc1), Uuid::from_u128(0xc2)];
/// Rows of each entity; one more is named by jobs and missing.
const ROWS: usize = 6;

/// Orders of one owner and tickets of two tenants, each with two actions whose calls are followed by two callbacks.
pub(super) fn project(random: &mut Random) -> Result<Compilation> {
    let mut text = "entity: Customer\nschema: crm\nfields:\n  name: text!\n".to_owned();
    for (entity, schema) in [("Order", "sales"), ("Ticket", "desk")] {
        text.push_str(&format!(
            "---\nentity: {entity}\nschema: {schema}\nfields:\n  total: integer! = 0\n  state: enum(new, paid, failed) = new\n  \
             note: text\n  ok: boolean\n  mail: email\n  extra: json\n  seen: timestamp\n  customer: ref(crm.Customer)\n\
             actions:\n"
        ));
        for action in ["first", "second"] {
            let own = format!("${}", entity.to_lowercase());
            let on_success = assignments(random, &ON_SUCCESS).replace("$own", &own);
            let on_failure = assignments(random, &ON_FAILURE);
            text.push_str(&format!(
                "  - name: {action}_{schema}\n    input: {{id: uuid!}}\n    steps:\n      - find: {entity} WHERE id = $input.id\n      \
                 - call_service:\n          service: pay\n          operation: charge\n          input: {{}}\n          \
                 on_success:\n            - update: {entity} SET {on_success}\n          on_failure:\n            \
                 - update: {entity} SET {on_failure}\n"
            ));
        }
    }
    compiled::files(&[
        ("entities/shop.yaml", &text),
        ("registry/domain_registry.yaml", "domains:\n  sales: {}\n  crm: {}\n  desk: {multi_tenant: true}\n"),
        ("registry/service_registry.yaml", include_str!("services.yaml")),
    ])
    .with_context(|| text.clone())
}

/// Some of these, each field once.
fn assignments(random: &mut Random, from: &[&'static str]) -> String {
    let mut chosen: Vec<&str> = Vec::new();
    for _ in 0..=random.below(4) {
        let next = random.pick(from);
        let field = |assignment: &str| assignment.split(' ').next().map(str::to_owned);
        if chosen.iter().all(|known| field(known) != field(next)) {
            chosen.push(next);
        }
    }
    chosen.join(", ")
}

/// The rows, and a limit on one column that not every batch keeps.
pub(super) async fn fill(connection: &mut PgConnection) -> Result<()> {
    let mut sql = String::new();
    for (number, id) in CUSTOMERS.iter().enumerate() {
        sql.push_str(&format!("INSERT INTO crm.tb_customer (id, name) VALUES ('{id}', 'customer {number}');"));
    }
    for row in 1..=ROWS {
        let customer = if row % 3 == 0 { "NULL".to_owned() } else { (row % 3).to_string() };
        let values = format!("{}, {customer}, 'row {row}', {}", row * 3, row % 2 == 0);
        sql.push_str(&format!("INSERT INTO sales.tb_order (total, fk_customer, note, ok) VALUES ({values});"));
        let tenant = tenant_of(row);
        sql.push_str(&format!(
            "INSERT INTO desk.tb_ticket (total, fk_customer, note, ok, tenant_id) VALUES ({values}, '{tenant}');"
        ));
    }
    sql.push_str("UPDATE sales.tb_order SET deleted_at = now() WHERE pk_order = 2;");
    for table in ["sales.tb_order", "desk.tb_ticket"] {
        sql.push_str(&format!("ALTER TABLE {table} ADD CONSTRAINT ck_small CHECK (total < 40);"));
    }
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}

fn tenant_of(row: usize) -> Uuid {
    TENANTS[row % 2]
}

/// A call that is over.
#[derive(Debug)]
pub(super) struct Job {
    entity: &'static str,
    action: &'static str,
    row: usize,
    tenant: Option<Uuid>,
    /// What was answered; `None`: it failed.
    pub(super) output: Option<Value>,
}

impl Job {
    /// `faults` in a hundred cannot be written down.
    pub(super) fn new(random: &mut Random, faults: usize) -> Self {
        let ticket = random.chance(60);
        let missing = usize::from(random.chance(faults));
        let row = if missing == 1 { ROWS + 1 } else { 1 + random.below(ROWS) };
        let stranger = random.chance(faults);
        let own = if stranger { TENANTS[(row + 1) % 2] } else { tenant_of(row) };
        let mut output = json!({
            "id": format!("ch_{}", random.below(1000)), "count": random.below(6), "flag": random.chance(50),
            "mail": "a@example.com", "data": {"n": random.below(9)}, "customer": CUSTOMERS[random.below(2)],
        });
        if random.chance(faults) {
            let key = *random.pick(&["count", "flag", "mail", "customer"]);
            output[key] = random.pick(&[Value::Null, json!("?"), json!(99), json!(Uuid::nil())]).clone();
        }
        Self {
            entity: if ticket { "Ticket" } else { "Order" },
            action: if random.chance(50) { "first" } else { "second" },
            row,
            tenant: ticket.then_some(own),
            output: random.chance(80).then_some(output),
        }
    }

    pub(super) async fn enqueue(&self, connection: &mut PgConnection, number: usize) -> Result<()> {
        let schema = if self.entity == "Order" { "sales" } else { "desk" };
        let key = format!("{schema}.cb_{}_{}_{schema}_1_pay_charge_", self.entity.to_lowercase(), self.action);
        let sql = "SELECT job_id FROM jobs.enqueue_step('pay', 'charge', '{}', $1, NULL, NULL, $2, $3, $4, 0, NULL, NULL, \
                   NULL, $5, $6, $7, $8)";
        sqlx::query(sql)
            .bind(format!("job {number}"))
            .bind(self.tenant)
            .bind(number.is_multiple_of(2).then(|| Uuid::from_u128(number as u128)))
            .bind(format!("correlation {number}"))
            .bind(self.entity)
            .bind(i64::try_from(self.row)?)
            .bind(format!("{key}success"))
            .bind(format!("{key}failure"))
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// Everything that is stored, but the time by the clock.
pub(super) async fn contents(connection: &mut PgConnection) -> Result<Vec<(String, Value)>> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND n.nspname IN ('app', 'jobs', 'sales', 'desk', 'crm') AND c.relname <> 'tb_callback' ORDER BY 1",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut out = Vec::new();
    for table in tables {
        let sql = format!(
            "SELECT coalesce(jsonb_agg(r.row ORDER BY r.row::text), '[]') FROM (
                SELECT to_jsonb(t) - '{{at,completed_at,run_at,expires_at}}'::text[]
                    || jsonb_build_object('runs', to_jsonb(t) ->> 'run_at' IS NOT NULL) AS row FROM {table} AS t) AS r"
        );
        out.push((table, sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *connection).await?));
    }
    Ok(out)
}
