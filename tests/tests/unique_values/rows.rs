//! Actions, and SQL of one's own, on rows that were deleted and come back.

use anyhow::Result;
use serde_json::{Value, json};
use specql_compiler::internals::sql::schema;
use specql_runtime::testing::TestDatabase;
use specql_tests::compiled;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

const CUSTOMER: &str = "
entity: Customer
schema: crm
fields:
  code: {type: text, unique: true}
  name: text
functions:
  bring_back: {args: {customer: uuid!}, returns: boolean}
actions:
  - name: create_customer
  - name: delete_customer
  - name: number_customer
    input: {number: text!}
    steps:
      - insert: Customer
        values: {identifier: $input.number}
  - name: remove_customer
    steps:
      - delete: Customer
        hard: true
  - name: restore_customer
    input: {customer: uuid!}
    steps:
      - call: bring_back(customer = $input.customer)
";

const BRING_BACK: &str = "
CREATE FUNCTION crm.bring_back(customer uuid) RETURNS boolean LANGUAGE sql
AS $$ UPDATE crm.tb_customer SET deleted_at = NULL, deleted_by = NULL WHERE id = customer RETURNING true $$;";

const PAGE: &str = include_str!("../../../docs/unique-values.md");

/// Values of one kind, and the action that makes a row with one.
const KINDS: [(&str, &str, &str); 2] =
    [("create_customer", "code", "uq_customer__code"), ("number_customer", "number", "uq_customer__identifier")];

struct Customers {
    db: TestDatabase,
    tenants: bool,
}

impl Customers {
    async fn new(tenants: bool) -> Result<Self> {
        let domains = format!("domains: {{crm: {{multi_tenant: {tenants}}}}}\n");
        let project =
            compiled::files(&[("entities/customer.yaml", CUSTOMER), ("registry/domain_registry.yaml", &domains)])?;
        let sql = format!("{}{BRING_BACK}", schema(&project.model).render());
        Ok(Self { db: TestDatabase::from_sql(&sql).await?, tenants })
    }

    /// Calls an action in the name of a tenant, where there are any.
    async fn act(&self, tenant: Uuid, action: &str, input: Value) -> Result<Value> {
        let sql = format!("SELECT to_jsonb(r) FROM app.{action}($1, NULL, $2) AS r");
        let tenant = self.tenants.then_some(tenant);
        Ok(sqlx::query_scalar(AssertSqlSafe(sql)).bind(tenant).bind(input).fetch_one(self.db.pool()).await?)
    }
}

const ANN: Uuid = Uuid::from_u128(1);
const BOB: Uuid = Uuid::from_u128(2);

#[tokio::test]
async fn a_deleted_row_gives_its_unique_values_back_and_takes_them_again_only_while_they_are_free() -> Result<()> {
    for tenants in [false, true] {
        let customers = Customers::new(tenants).await?;
        for (make, key, constraint) in KINDS {
            let conflict = json!(format!("conflict:{constraint}"));
            let make = || customers.act(ANN, make, json!({(key): "A-1"}));
            let first = make().await?;
            assert_eq!(first["status"], "success", "{first}");
            let again = make().await?;
            assert_eq!((&again["status"], &again["message"]), (&conflict, &json!("another row has the same value")));

            // Twice deleted: what is deleted does not stand in its own way either.
            let mut last = first.clone();
            for _ in 0..2 {
                customers.act(ANN, "delete_customer", json!({"id": last["id"]})).await?;
                last = make().await?;
                assert_eq!(last["status"], "success", "tenants: {tenants}, {constraint}: {last}");
            }
            assert_eq!(make().await?["status"], conflict);

            let restore = || customers.act(ANN, "restore_customer", json!({"customer": first["id"]}));
            let refused = restore().await?;
            assert_eq!(
                (&refused["status"], &refused["message"]),
                (&conflict, &json!("another row has the same value"))
            );
            customers.act(ANN, "remove_customer", json!({"id": last["id"]})).await?;
            assert_eq!(restore().await?["status"], "success");
            assert_eq!(make().await?["status"], conflict);
        }
    }
    Ok(())
}

#[tokio::test]
async fn two_tenants_may_hold_the_same_value() -> Result<()> {
    let customers = Customers::new(true).await?;
    for (make, key, constraint) in KINDS {
        for tenant in [ANN, BOB] {
            let made = customers.act(tenant, make, json!({(key): "A-1"})).await?;
            assert_eq!(made["status"], "success", "{made}");
        }
        let again = customers.act(BOB, make, json!({(key): "A-1"})).await?;
        assert_eq!(again["status"], format!("conflict:{constraint}"));
    }
    Ok(())
}

/// The page's own samples: without tenants, and with them.
#[tokio::test]
async fn an_insert_of_ones_own_names_the_live_rows_in_its_on_conflict() -> Result<()> {
    let samples: Vec<&str> = PAGE.split("```sql\n").skip(1).filter_map(|block| block.split("```").next()).collect();
    let [plain, of_tenants] = samples[..] else { panic!("{samples:?}") };
    for (upsert, tenants) in [(plain, false), (of_tenants, true)] {
        let customers = Customers::new(tenants).await?;
        let mut connection = customers.db.pool().acquire().await?;
        let act_for = "SELECT set_config('app.tenant_id', $1, false)";
        sqlx::query(act_for).bind(ANN.to_string()).execute(&mut *connection).await?;
        for name in ["Bob", "Ann", "Eve"] {
            let upsert = upsert.replace("'Ada'", &format!("'{name}'"));
            sqlx::raw_sql(AssertSqlSafe(upsert)).execute(&mut *connection).await?;
            if name == "Ann" {
                sqlx::query("UPDATE crm.tb_customer SET deleted_at = now()").execute(&mut *connection).await?;
            }
        }
        let rows: Vec<(String, bool)> =
            sqlx::query_as("SELECT name, deleted_at IS NULL FROM crm.tb_customer ORDER BY pk_customer")
                .fetch_all(&mut *connection)
                .await?;
        assert_eq!(rows, [("Ann".to_owned(), false), ("Eve".to_owned(), true)], "the deleted row is left alone");
    }
    Ok(())
}
