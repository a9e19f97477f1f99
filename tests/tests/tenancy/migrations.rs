//! Tenancy in migrations: new tables are made with it, and it is taken from, or forced upon, none.

use anyhow::Result;
use specql_compiler::internals::{
    migrations::{Direction, diff, plan::HazardKind},
    sql,
};
use specql_runtime::testing::TestDatabase;
use specql_tests::compiled;
use sqlx::AssertSqlSafe;

use crate::world;

const ENTITIES: &str =
    "entity: Order\nschema: sales\nfields: {number: {type: text, unique: true}, parent: ref(Order)}\n";

fn schema(files: &[(&str, &str)]) -> Result<sql::Schema> {
    Ok(sql::schema(&compiled::files(files)?.model))
}

#[test]
fn a_schema_does_not_become_multi_tenant_or_cease_to_be_in_silence() -> Result<()> {
    let plain = schema(&[("entities/order.yaml", ENTITIES)])?;
    let domains = ("registry/domain_registry.yaml", "domains: {sales: {multi_tenant: true}}\n");
    let tenants = schema(&[("entities/order.yaml", ENTITIES), domains])?;
    let hazards = |old, new| -> Vec<_> {
        let plan = diff(old, new, Direction::Forward);
        plan.hazards.into_iter().map(|hazard| (hazard.kind, hazard.message)).collect()
    };
    assert_eq!(
        hazards(&plain, &tenants),
        [(
            HazardKind::Misfit,
            "`sales.tb_order` would become multi-tenant, and rows that are there belong to nobody".to_owned()
        )]
    );
    assert_eq!(
        hazards(&tenants, &plain),
        [(
            HazardKind::Loss,
            "`sales.tb_order` would no longer be multi-tenant: each row would be shown to all".to_owned()
        )]
    );
    Ok(())
}

#[tokio::test]
async fn a_table_comes_with_its_policies_and_goes_with_them() -> Result<()> {
    let domains = ("registry/domain_registry.yaml", include_str!("domain_registry.yaml"));
    let before = schema(&[("entities/note.yaml", "entity: Note\nfields: {text: text}\n"), domains])?;
    let after = sql::schema(&world::project()?.model);
    let db = TestDatabase::from_sql(&before.render()).await?;
    let policies = "SELECT count(*) FROM pg_policies WHERE schemaname IN ('sales', 'crm') AND policyname = 'tenant'";
    for (old, new, expected) in [(&before, &after, 2_i64), (&after, &before, 0)] {
        for step in diff(old, new, Direction::Reverse).steps {
            for statement in step.statements {
                sqlx::raw_sql(AssertSqlSafe(statement)).execute(db.pool()).await?;
            }
        }
        assert_eq!(sqlx::query_scalar::<_, i64>(policies).fetch_one(db.pool()).await?, expected);
    }
    Ok(())
}
