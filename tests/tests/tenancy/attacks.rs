//! What one tenant tries on the other's rows.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Layers, Tenant, World, id};

/// Bob's attempts on Ann's rows: their names, and what came of them. `None`: nothing.
async fn attempts(world: &World) -> Result<Vec<(&'static str, Option<String>)>> {
    let (ann, bob) = (world.ann, world.bob);
    let mut out = Vec::new();
    let succeeded = |result: &Value| (result["status"] == "success").then(|| result.to_string());

    let found = world.act(bob, "update_order", json!({"id": ann.order, "total": 1})).await?;
    out.push(("update of the current row", succeeded(&found)));
    let found = world.act(bob, "pay_order", json!({"id": ann.order})).await?;
    out.push(("call for the current row", succeeded(&found)));

    world.act(bob, "close_all", json!({})).await?;
    out.push((
        "update with WHERE",
        Some(world.order(ann, "status").await?).filter(|status| status.as_deref() == Some("closed")).flatten(),
    ));
    world.act(bob, "discontinue", json!({"product": world.product})).await?;
    let status = world.order(ann, "status").await?;
    out.push(("update with WHERE from a plain schema", status.filter(|status| status == "discontinued")));

    let found = world.act(bob, "create_order", json!({"total": 1, "customer": ann.customer})).await?;
    let reached = found["status"] != "validation:unknown_customer";
    out.push(("ref in the input of an insert", reached.then(|| found["status"].to_string())));
    let found = world.act(bob, "update_order", json!({"id": bob.order, "customer": ann.customer})).await?;
    let reached = found["status"] != "validation:unknown_customer";
    out.push(("ref in the input of an update", reached.then(|| found["status"].to_string())));

    let seen: i64 =
        world.ask(Some(bob), &format!("SELECT count(*) FROM sales.v_order WHERE id = '{}'", ann.order)).await?;
    out.push(("view", (seen > 0).then(|| seen.to_string())));

    // A callback whose job was forged to name Ann's row.
    let order = id(&world.act(bob, "create_order", json!({"total": 1})).await?)?;
    let job = world.pay(Tenant { order, ..bob }).await?;
    let key: i32 =
        world.ask(Some(ann), &format!("SELECT pk_order FROM sales.tb_order WHERE id = '{}'", ann.order)).await?;
    world.run(None, &format!("UPDATE jobs.tb_job_run SET entity_pk = {key} WHERE id = '{job}'")).await?;
    world.complete(job).await?;
    out.push(("the row of a callback", world.order(ann, "charge").await?));
    let order = id(&world.act(bob, "create_order", json!({"total": 1})).await?)?;
    let job = world.pay(Tenant { order, ..bob }).await?;
    world.run(None, &format!("UPDATE jobs.tb_job_run SET entity_pk = {key} WHERE id = '{job}'")).await?;
    world
        .run(None, &format!("SELECT jobs.mark_job_started('{job}'); SELECT jobs.fail_job('{job}', 'no card')"))
        .await?;
    out.push((
        "the row of a failure's callback",
        world.order(ann, "status").await?.filter(|status| status == "failed"),
    ));

    let seen: Option<i32> = world.ask(Some(bob), &format!("SELECT sales.order_pk('{}')", ann.order)).await?;
    out.push(("helper function to the key", seen.map(|seen| seen.to_string())));
    let seen: Option<Uuid> = world.ask(Some(bob), &format!("SELECT sales.order_id({key})")).await?;
    out.push(("helper function to the public id", seen.map(|seen| seen.to_string())));
    world.run(Some(ann), "UPDATE sales.tb_order SET charge = 'sweep'").await?;
    let job = world.pay(bob).await?;
    world.complete(job).await?;
    ensure!(world.order(bob, "status").await?.as_deref() == Some("paid"), "Bob's own callback ran");
    let charge = world.order(ann, "charge").await?.filter(|charge| charge != "sweep");
    out.push(("update with WHERE in a callback", charge));

    let found = world.act(bob, "find_customer", json!({"name": "Alice"})).await?;
    out.push(("find", succeeded(&found)));
    let found = world.act(bob, "find_by_ref", json!({"customer": ann.customer})).await?;
    let reached = found["status"] != "validation:unknown_customer";
    out.push(("find by a ref in the input", reached.then(|| found["status"].to_string())));
    world.act(bob, "visit_all", json!({})).await?;
    out.push(("foreach", world.order(ann, "status").await?.filter(|status| status == "visited")));
    let found = world.act(bob, "reprice", json!({"order": ann.order, "total": 1})).await?;
    out.push(("call of an action", succeeded(&found)));
    for (attempt, action) in [("delete with WHERE", "delete_all"), ("delete with WHERE, hard", "purge_all")] {
        let order = world.act(ann, "create_order", json!({"total": 1})).await?;
        let live =
            format!("SELECT count(*) FROM sales.v_order WHERE tenant_id = '{}' AND id = '{}'", ann.id, id(&order)?);
        let other = world.act(bob, "create_order", json!({"total": 1, "customer": bob.customer})).await?;
        world.act(bob, action, json!({})).await?;
        let left: i64 = world.ask(Some(ann), &live).await?;
        out.push((attempt, (left == 0).then(|| order["id"].to_string())));
        let own = format!("SELECT count(*) FROM sales.v_order WHERE id = '{}'", id(&other)?);
        ensure!(world.ask::<i64>(Some(bob), &own).await? == 0, "Bob's own row goes");
    }
    let bob = Tenant { order: id(&world.act(bob, "create_order", json!({"total": 1})).await?)?, ..bob };
    let ann = Tenant { order: id(&world.act(ann, "create_order", json!({"total": 1})).await?)?, ..ann };

    // A row of Bob's that points to Ann's customer, which the foreign key would refuse.
    world.run(None, "ALTER TABLE sales.tb_order DROP CONSTRAINT fk_order__customer").await?;
    let customer: i32 =
        world.ask(Some(ann), "SELECT max(pk_customer) FROM crm.tb_customer WHERE name = 'Alice'").await?;
    world
        .run(Some(bob), &format!("UPDATE sales.tb_order SET fk_customer = {customer} WHERE id = '{}'", bob.order))
        .await?;
    let found = world.act(bob, "expect_customer", json!({"id": bob.order, "name": "Alice"})).await?;
    out.push(("path through a ref", succeeded(&found)));
    let seen: Option<String> = world
        .ask(Some(bob), &format!("SELECT data ->> 'customer' FROM sales.v_order WHERE id = '{}'", bob.order))
        .await?;
    out.push(("ref in a view", seen));

    let found = world.act(bob, "delete_order", json!({"id": ann.order})).await?;
    out.push(("delete of the current row", succeeded(&found)));
    Ok(out)
}

async fn nothing_comes_of_the_attempts(layers: Layers) -> Result<()> {
    let world = World::new(layers).await?;
    for (attempt, came_of_it) in attempts(&world).await? {
        assert_eq!(came_of_it, None, "{attempt}, behind {layers:?}");
    }
    Ok(())
}

#[tokio::test]
async fn nothing_comes_of_any_attempt() -> Result<()> {
    nothing_comes_of_the_attempts(Layers::Both).await
}

#[tokio::test]
async fn the_predicates_alone_hold() -> Result<()> {
    nothing_comes_of_the_attempts(Layers::Predicates).await
}

#[tokio::test]
async fn the_policies_alone_hold() -> Result<()> {
    nothing_comes_of_the_attempts(Layers::Policies).await
}

/// An attack that cannot succeed proves nothing.
#[tokio::test]
async fn without_either_every_attempt_succeeds() -> Result<()> {
    let world = World::new(Layers::None).await?;
    for (attempt, came_of_it) in attempts(&world).await? {
        assert!(came_of_it.is_some(), "{attempt}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_refused_across_tenants_works_within_one() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    let ann = world.ann;
    for (action, input) in [
        ("update_order", json!({"id": ann.order, "total": 1, "customer": ann.customer, "parent": ann.order})),
        ("create_order", json!({"total": 1, "customer": ann.customer})),
        ("expect_customer", json!({"id": ann.order, "name": "Alice"})),
        ("close_all", json!({})),
        ("discontinue", json!({"product": world.product})),
    ] {
        let result = world.act(ann, action, input).await?;
        assert_eq!(result["status"], "success", "{action}: {result}");
    }
    assert_eq!(world.order(ann, "status").await?.as_deref(), Some("discontinued"));
    for (action, input, id) in [
        ("find_customer", json!({"name": "Alice"}), ann.customer),
        ("find_by_ref", json!({"customer": ann.customer}), ann.order),
    ] {
        let result = world.act(ann, action, input).await?;
        assert_eq!(result["id"], json!(id), "{action}: {result}");
    }
    world.act(ann, "visit_all", json!({})).await?;
    assert_eq!(world.order(ann, "status").await?.as_deref(), Some("visited"));
    let result = world.act(ann, "reprice", json!({"order": ann.order, "total": 9})).await?;
    assert_eq!(result["status"], "success", "{result}");
    assert_eq!(world.order(ann, "total").await?.as_deref(), Some("9"));
    let job = world.pay(ann).await?;
    world.complete(job).await?;
    assert_eq!(world.order(ann, "status").await?.as_deref(), Some("paid"));
    let sql = format!("SELECT sales.order_id(sales.order_pk('{}'))::text", ann.order);
    assert_eq!(world.ask::<String>(Some(ann), &sql).await?, ann.order.to_string());
    assert_eq!(world.ask::<Option<String>>(None, &sql).await?, None, "without a tenant");
    let sql = format!("SELECT data ->> 'customer' FROM sales.v_order WHERE id = '{}'", ann.order);
    assert_eq!(world.ask::<String>(Some(ann), &sql).await?, ann.customer.to_string());
    let result = world.act(ann, "delete_order", json!({"id": ann.order})).await?;
    assert_eq!((&result["status"], &result["object_data"]["status"]), (&json!("success"), &json!("paid")));
    Ok(())
}

#[tokio::test]
async fn without_a_tenant_nothing_is_done() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    for (action, input) in [
        ("create_order", json!({"total": 1})),
        ("close_all", json!({})),
        ("pay_order", json!({"id": world.ann.order})),
        ("discontinue", json!({"product": world.product})),
    ] {
        let sql = format!("SELECT status FROM app.{action}(NULL, NULL, $1)");
        let status: String =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(input).fetch_one(world.db.pool()).await?;
        assert_eq!(status, "validation:missing_tenant", "{action}");
    }
    Ok(())
}
