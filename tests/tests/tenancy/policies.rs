//! Row level security by itself: plain SQL, as the owner.

use anyhow::Result;
use sqlx::Row;

use crate::world::{Layers, World, become_tenant};

#[tokio::test]
async fn the_owner_is_no_superuser_and_is_bound_all_the_same() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    let role = sqlx::query("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
        .fetch_one(world.db.pool())
        .await?;
    assert!(!role.get::<bool, _>(0) && !role.get::<bool, _>(1));
    let unbound: i64 = world
        .ask(
            None,
            "SELECT count(*) FROM pg_class AS c WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text IN ('sales', 'crm')
                AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND pg_get_userbyid(c.relowner) = current_user)",
        )
        .await?;
    assert_eq!(unbound, 0);
    Ok(())
}

#[tokio::test]
async fn plain_sql_sees_and_touches_the_rows_of_its_tenant_alone() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    for table in ["sales.tb_order", "crm.tb_customer", "sales.v_order", "crm.v_customer"] {
        let count = format!("SELECT count(*) FROM {table}");
        assert_eq!(world.ask::<i64>(None, &count).await?, 0, "{table} without a tenant");
        assert_eq!(world.ask::<i64>(Some(world.ann), &count).await?, 1, "{table}");
        let foreign = format!("SELECT count(*) FROM {table} WHERE tenant_id <> '{}'", world.ann.id);
        assert_eq!(world.ask::<i64>(Some(world.ann), &foreign).await?, 0, "{table}");
    }
    for statement in ["UPDATE sales.tb_order SET total = 0", "DELETE FROM sales.tb_order"] {
        assert_eq!(world.run(None, statement).await?, 0, "{statement}");
        assert_eq!(world.run(Some(world.bob), statement).await?, 1, "{statement}");
        assert_eq!(world.order(world.ann, "total").await?.as_deref(), Some("7"), "{statement}");
    }
    Ok(())
}

#[tokio::test]
async fn plain_sql_writes_no_row_of_another_tenant() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    for (tenant, statement) in [
        (Some(world.bob), format!("INSERT INTO sales.tb_order (tenant_id, total) VALUES ('{}', 1)", world.ann.id)),
        (None, format!("INSERT INTO sales.tb_order (tenant_id, total) VALUES ('{}', 1)", world.ann.id)),
        (Some(world.bob), format!("UPDATE sales.tb_order SET tenant_id = '{}'", world.ann.id)),
    ] {
        let mut tx = world.db.begin().await?;
        become_tenant(&mut tx, tenant).await?;
        let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.as_str())).execute(&mut *tx).await;
        let code = refused
            .err()
            .and_then(|error| error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned())));
        assert_eq!(code.as_deref(), Some("42501"), "{statement}");
    }
    Ok(())
}

/// Foreign keys see past row level security.
#[tokio::test]
async fn a_foreign_key_does_not_reach_into_another_tenant() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    let foreign: i32 = world.ask(Some(world.ann), "SELECT pk_customer FROM crm.tb_customer").await?;
    let sql = format!("UPDATE sales.tb_order SET fk_customer = {foreign}");
    let refused = world.run(Some(world.bob), &sql).await.unwrap_err();
    assert!(format!("{refused:#}").contains("fk_order__customer"), "{refused:#}");
    Ok(())
}

#[tokio::test]
async fn removing_a_row_empties_the_references_to_it_and_nothing_else() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    let ann = Some(world.ann);
    world.run(ann, "INSERT INTO sales.tb_order (tenant_id, total, fk_parent) SELECT tenant_id, 8, pk_order FROM sales.tb_order").await?;
    assert_eq!(world.run(ann, "DELETE FROM sales.tb_order WHERE total = 7").await?, 1);
    let left: String = world.ask(ann, "SELECT concat_ws(',', tenant_id, fk_parent) FROM sales.tb_order").await?;
    assert_eq!(left, world.ann.id.to_string());
    Ok(())
}

#[tokio::test]
async fn what_is_unique_is_so_within_a_tenant() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    // Both have a customer of code 1 already.
    let again = world.act(world.ann, "create_customer", serde_json::json!({"name": "Ada", "code": "1"})).await?;
    assert_eq!(again["status"], "conflict:uq_customer__code");
    for tenant in [world.ann, world.bob] {
        world.run(Some(tenant), "UPDATE crm.tb_customer SET identifier = 'C-1'").await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_action_leaves_the_callers_transaction_in_its_own_tenants_name() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    for (before, input) in [
        (None, serde_json::json!({"total": 1})),
        (Some(world.ann), serde_json::json!({"total": 1})),
        (Some(world.ann), serde_json::json!({"total": "one"})),
    ] {
        let mut tx = world.db.begin().await?;
        become_tenant(&mut tx, before).await?;
        sqlx::query("SELECT app.create_order($1, NULL, $2)").bind(world.bob.id).bind(input).execute(&mut *tx).await?;
        let after: String = sqlx::query_scalar("SELECT current_setting('app.tenant_id')").fetch_one(&mut *tx).await?;
        assert_eq!(after, before.map(|tenant| tenant.id.to_string()).unwrap_or_default());
    }
    Ok(())
}

/// Granted by mistake, a table shows it nothing: no policy makes an exception of it.
#[tokio::test]
async fn the_workers_role_sees_no_tenants_rows_even_where_it_is_granted_the_table() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    let mut tx = world.db.begin().await?;
    sqlx::raw_sql(
        "GRANT USAGE ON SCHEMA sales TO specql_worker; GRANT SELECT ON sales.tb_order TO specql_worker;
         GRANT specql_worker TO CURRENT_USER; SET LOCAL ROLE specql_worker",
    )
    .execute(&mut *tx)
    .await?;
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM sales.tb_order").fetch_one(&mut *tx).await?;
    assert_eq!(seen, 0);
    Ok(())
}
