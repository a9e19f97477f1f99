//! `sequence(…)`: numbers without gaps, also where two transactions take them at once.

use serde_json::{Value, json};
use specql_runtime::testing::TestDatabase;
use specql_tests::compiled;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

type Outcome = anyhow::Result<()>;

const PROJECT: &str = "
entity: Invoice
schema: billing
fields: {number: bigint, group: text}
actions:
  - name: create_invoice
    steps:
      - insert: Invoice
        values: {number: sequence(invoice_no)}
  - name: number_all
    input: {group: text!}
    steps:
      - update: Invoice SET number = sequence(group_no) WHERE group = $input.group
";

async fn database(multi_tenant: bool) -> anyhow::Result<TestDatabase> {
    let domains = format!("domains: {{billing: {{multi_tenant: {multi_tenant}}}}}\n");
    let files = [("entities/invoice.yaml", PROJECT), ("registry/domain_registry.yaml", &domains)];
    compiled::database(&compiled::files(&files)?).await
}

/// The number of a new invoice, or what the action answers.
async fn create(session: &mut PgConnection, tenant: Option<Uuid>) -> anyhow::Result<Value> {
    let sql = "SELECT coalesce(object_data -> 'number', to_jsonb(status)) FROM app.create_invoice($1, NULL, '{}')";
    Ok(sqlx::query_scalar(sql).bind(tenant).fetch_one(session).await?)
}

#[tokio::test]
async fn each_tenant_counts_by_itself_and_where_there_are_none_all_count_together() -> Outcome {
    let database_of_tenants = database(true).await?;
    let mut session = database_of_tenants.pool().acquire().await?;
    let (one, other) = (Uuid::new_v4(), Uuid::new_v4());
    for (tenant, expected) in [(one, "1"), (one, "2"), (other, "1"), (one, "3"), (other, "2")] {
        assert_eq!(create(&mut session, Some(tenant)).await?, json!(expected));
    }
    let plain = database(false).await?;
    let mut session = plain.pool().acquire().await?;
    for (tenant, expected) in [(Some(one), "1"), (None, "2"), (Some(other), "3")] {
        assert_eq!(create(&mut session, tenant).await?, json!(expected));
    }
    Ok(())
}

#[tokio::test]
async fn who_takes_a_number_at_the_same_time_waits_and_gets_the_one_that_is_given_back() -> Outcome {
    let database = database(true).await?;
    let tenant = Some(Uuid::new_v4());
    let mut other_tenants = database.pool().acquire().await?;
    for (commits, expected) in [(true, "2"), (false, "3")] {
        let mut first = database.pool().begin().await?;
        let taken = create(&mut first, tenant).await?;
        assert_eq!(taken, json!(if commits { "1" } else { "3" }));
        let mut second = database.pool().acquire().await?;
        let waiting = create(&mut second, tenant);
        let ending = async {
            loop {
                let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)";
                if sqlx::query_scalar(waits).fetch_one(database.pool()).await? {
                    break;
                }
            }
            assert_eq!(create(&mut other_tenants, Some(Uuid::new_v4())).await?, json!("1"), "others do not wait");
            if commits {
                first.commit().await?
            } else {
                first.rollback().await?
            }
            anyhow::Ok(())
        };
        let (number, ended) = tokio::join!(waiting, ending);
        ended?;
        assert_eq!(number?, json!(expected));
    }
    Ok(())
}

#[tokio::test]
async fn each_row_of_an_update_gets_a_number_and_an_undone_action_takes_none() -> Outcome {
    let database = database(true).await?;
    let mut session = database.pool().acquire().await?;
    let tenant = Uuid::new_v4();
    let run = |sql: String| sqlx::raw_sql(AssertSqlSafe(sql)).execute(database.pool());
    run(format!(
        "BEGIN; SELECT set_config('app.tenant_id', '{tenant}', true); \
         INSERT INTO billing.tb_invoice (tenant_id, \"group\") SELECT '{tenant}', 'a' FROM generate_series(1, 3); COMMIT"
    ))
    .await?;
    for last in [3, 6] {
        sqlx::query("SELECT app.number_all($1, NULL, '{\"group\": \"a\"}')")
            .bind(tenant)
            .execute(&mut *session)
            .await?;
        let mut tx = database.pool().begin().await?;
        sqlx::query("SELECT set_config('app.tenant_id', $1, true)").bind(tenant.to_string()).execute(&mut *tx).await?;
        let numbers: Vec<i64> =
            sqlx::query_scalar("SELECT number FROM billing.tb_invoice ORDER BY 1").fetch_all(&mut *tx).await?;
        assert_eq!(numbers, [last - 2, last - 1, last]);
    }
    // A constraint that comes late undoes the action.
    run("ALTER TABLE billing.tb_invoice ADD CONSTRAINT few CHECK (number < 2 OR \"group\" IS NOT NULL) NOT VALID"
        .to_owned())
    .await?;
    let other = Uuid::new_v4();
    assert_eq!(create(&mut session, Some(other)).await?, json!("1"));
    for _ in 0..3 {
        assert_eq!(create(&mut session, Some(other)).await?, json!("validation:few"));
    }
    run("ALTER TABLE billing.tb_invoice DROP CONSTRAINT few".to_owned()).await?;
    assert_eq!(create(&mut session, Some(other)).await?, json!("2"));
    Ok(())
}
