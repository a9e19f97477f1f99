//! Jobs whose success is written to a row of their own: job by job, and a statement for each batch.

use std::time::Instant;

use anyhow::{bail, ensure};
use serde::{Deserialize, Serialize};
use specql_compiler::{SourceFile, SourceKind, Sources, compile, internals::sql};
use specql_runtime::{Database, client::Operation};
use sqlx::PgPool;

use super::{Empty, ROUNDS, drain, median, per_second};

const ENTITIES: &str = "
entity: Order
schema: sales
fields:
  state: text! = new
  charge_id: text
actions:
  - name: pay_order
    input: {id: uuid!}
    steps:
      - find: Order WHERE id = $input.id
      - call_service:
          service: bench
          operation: charge
          input: {}
          on_success:
            - update: Order SET state = 'paid', charge_id = $output.id
";
const SERVICES: &str = "
services:
  - name: bench
    execution_type: http
    runner_config: {base_url: 'https://bench.example.com'}
    operations:
      - {name: noop, method: POST, path: /, idempotency_header: Idempotency-Key}
      - {name: charge, method: POST, path: /, idempotency_header: Idempotency-Key, output_schema: {id: text!}}
";

/// An operation that answers with an id.
struct Charge;

#[derive(Clone, Serialize, Deserialize)]
struct Charged {
    id: String,
}

impl Operation for Charge {
    const SERVICE: &'static str = "bench";
    const OPERATION: &'static str = "charge";
    type Input = Empty;
    type Output = Charged;
}

/// The whole schema of a small project, as the compiler emits it.
pub(super) fn schema() -> anyhow::Result<String> {
    let compilation = compile(&Sources::new(vec![
        SourceFile::new("entities/order.yaml", ENTITIES, SourceKind::Entities),
        SourceFile::new("registry/service_registry.yaml", SERVICES, SourceKind::Registry),
    ]));
    if compilation.has_errors() {
        bail!("{:?}", compilation.diagnostics);
    }
    Ok(sql::schema(&compilation.model).render())
}

pub(super) async fn measure(database: &Database, jobs: usize) -> anyhow::Result<()> {
    let pool = database.pool();
    let (mut each, mut together) = (Vec::new(), Vec::new());
    let batch_function: String =
        sqlx::query_scalar("SELECT batch_function FROM jobs.tb_callback").fetch_one(pool).await?;
    for round in 1..=ROUNDS {
        for (name, function, rates) in
            [("job by job", None, &mut each), ("batch", Some(&batch_function), &mut together)]
        {
            sqlx::query("UPDATE jobs.tb_callback SET batch_function = $1").bind(function).execute(pool).await?;
            enqueue(pool, jobs).await?;
            let started = Instant::now();
            drain::<Charge>(database, jobs, Charged { id: "ch_1".into() }).await?;
            rates.push(per_second(jobs, started));
            let paid: i64 =
                sqlx::query_scalar("SELECT count(*) FROM sales.tb_order WHERE state = 'paid' AND charge_id = 'ch_1'")
                    .fetch_one(pool)
                    .await?;
            ensure!(usize::try_from(paid)? == jobs, "{paid} orders of {jobs} are paid");
            println!("round {round}: drained {:.0} jobs/s with a callback, {name}", rates[round - 1]);
        }
    }
    let (each, together) = (median(each), median(together));
    println!(
        "median: drained {together:.0} jobs/s with a callback, {:.2} times as many as job by job ({each:.0})",
        together / each
    );
    Ok(())
}

/// New orders, and a charge for each, as its action would queue it.
async fn enqueue(pool: &PgPool, jobs: usize) -> anyhow::Result<()> {
    sqlx::raw_sql("TRUNCATE sales.tb_order RESTART IDENTITY").execute(pool).await?;
    sqlx::query(
        "WITH made AS (
            INSERT INTO sales.tb_order (state) SELECT 'new' FROM generate_series(1, $1) RETURNING pk_order)
        INSERT INTO jobs.tb_job_run (service_name, operation, entity_type, entity_pk, on_success)
        SELECT 'bench', 'charge', 'Order', m.pk_order, (SELECT c.key FROM jobs.tb_callback AS c) FROM made AS m",
    )
    .bind(i64::try_from(jobs)?)
    .execute(pool)
    .await?;
    sqlx::raw_sql("VACUUM ANALYZE sales.tb_order").execute(pool).await?;
    Ok(())
}
