//! Jobs of two tenants.

use anyhow::Result;

use crate::world::{Layers, World};

#[tokio::test]
async fn one_batch_runs_the_callbacks_of_several_tenants_each_in_its_own_name() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    let (first, second) = (world.pay(world.ann).await?, world.pay(world.bob).await?);
    for job in [first, second] {
        world.run(None, &format!("SELECT jobs.mark_job_started('{job}')")).await?;
    }
    world
        .run(
            None,
            "SELECT jobs.complete('00000000-0000-0000-0000-000000000000', array_agg(pk_job_run ORDER BY pk_job_run),
                array_agg(epoch ORDER BY pk_job_run), ARRAY['{\"id\": \"a\"}', '{\"id\": \"b\"}']::jsonb[], ARRAY[NULL, NULL]::jsonb[])
            FROM jobs.tb_job_lease",
        )
        .await?;
    assert_eq!(world.order(world.ann, "charge").await?.as_deref(), Some("a"));
    assert_eq!(world.order(world.bob, "charge").await?.as_deref(), Some("b"));
    Ok(())
}

#[tokio::test]
async fn a_callback_leaves_the_transaction_in_the_name_in_which_it_found_it() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    let job = world.pay(world.ann).await?;
    world.run(None, &format!("SELECT jobs.mark_job_started('{job}')")).await?;
    let mut tx = world.db.begin().await?;
    crate::world::become_tenant(&mut tx, Some(world.bob)).await?;
    sqlx::query("SELECT jobs.complete_job_successfully($1, '{\"id\": \"a\"}')").bind(job).execute(&mut *tx).await?;
    let after: String = sqlx::query_scalar("SELECT current_setting('app.tenant_id')").fetch_one(&mut *tx).await?;
    assert_eq!(after, world.bob.id.to_string());
    tx.commit().await?;
    assert_eq!(world.order(world.ann, "charge").await?.as_deref(), Some("a"));
    Ok(())
}

#[tokio::test]
async fn a_callback_that_is_tried_again_runs_in_the_name_of_its_job() -> Result<()> {
    let world = World::new(Layers::Both).await?;
    let job = world.pay(world.ann).await?;
    world.run(None, "ALTER TABLE sales.tb_order ADD CONSTRAINT broken CHECK (charge IS NULL)").await?;
    world.complete(job).await?;
    assert_eq!(world.order(world.ann, "charge").await?, None);
    world.run(None, "ALTER TABLE sales.tb_order DROP CONSTRAINT broken").await?;
    world.run(None, "UPDATE jobs.tb_job_callback SET run_at = now()").await?;
    assert_eq!(world.ask::<i32>(Some(world.bob), "SELECT jobs.run_callbacks()").await?, 1);
    world.run(Some(world.bob), "SELECT jobs.run_callbacks()").await?;
    assert_eq!(world.order(world.ann, "charge").await?.as_deref(), Some("ch_1"));
    Ok(())
}
