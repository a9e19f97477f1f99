//! `docs/actions.md` and `docs/callbacks.md`.

use specql_compiler::internals::sql;
use specql_runtime::testing::TestDatabase;
use specql_tests::compiled;

use crate::page::Page;

#[tokio::test]
async fn the_actions_of_the_page_answer_as_it_says() -> anyhow::Result<()> {
    let page = Page::read("actions.md")?;
    let database = compiled::database(&page.project()?).await?;
    let answered = page.run(&mut *database.pool().acquire().await?).await?;
    assert_eq!((page.statements.len(), answered), (26, 23));
    Ok(())
}

#[tokio::test]
async fn the_callbacks_of_the_page_write_what_it_says() -> anyhow::Result<()> {
    let page = Page::read("callbacks.md")?;
    let database = compiled::database(&page.project()?).await?;
    let answered = page.run(&mut *database.pool().acquire().await?).await?;
    assert_eq!((page.statements.len(), answered), (23, 14));
    Ok(())
}

/// What `charge_again` is there for: an action with a call of its own has a key of its own.
#[tokio::test]
async fn another_action_with_its_own_call_makes_a_second_job() -> anyhow::Result<()> {
    let mut page = Page::read("callbacks.md")?;
    let own_call = "- call_service: {service: stripe, operation: create_charge, input: {amount: $order.total}}";
    page.replace("- call: charge_order(id = $order.id)", own_call);
    let database = compiled::database(&page.project()?).await?;
    let said = page.run(&mut *database.pool().acquire().await?).await.unwrap_err().to_string();
    assert!(said.contains("app.charge_again") && said.ends_with("-- (success,false)"), "{said}");
    Ok(())
}

/// What `docs/migrations.md` says of databases that something else than the project's binary migrated.
#[tokio::test]
async fn until_operations_are_registered_only_calls_of_services_fail() -> anyhow::Result<()> {
    let project = Page::read("actions.md")?.project()?;
    let database = TestDatabase::from_sql(&sql::schema(&project.model).render()).await?;
    let made = "SELECT id FROM app.create_order(NULL, NULL, '{\"number\": \"A-1\", \"email\": \"ada@example.eu\"}')";
    let order: uuid::Uuid = sqlx::query_scalar(made).fetch_one(database.pool()).await?;
    for status in ["failed:unknown_operation", "success"] {
        let said: String = sqlx::query_scalar("SELECT status FROM app.send_receipt(NULL, NULL, $1)")
            .bind(serde_json::json!({"id": order}))
            .fetch_one(database.pool())
            .await?;
        assert_eq!(said, status);
        compiled::register(database.pool(), &project).await?;
    }
    Ok(())
}

#[test]
fn names_that_the_page_about_callbacks_says_are_not_there_are_refused() -> anyhow::Result<()> {
    for (from, to) in [
        ("{$error.message}", "{$error.attempts}"),
        ("{$error.message}", "{$input.id}"),
        ("{$error.message}", "{$output.id}"),
        ("{$error.message}", "{$charge.job_id}"),
        ("charge_id = $output.id", "charge_id = $error.kind"),
        ("amount: $order.total", "amount: $job.attempts"),
    ] {
        let mut page = Page::read("callbacks.md")?;
        page.project()?;
        page.replace(from, to);
        let said = page.project().unwrap_err().to_string();
        assert!(said.contains("[SQ0302]"), "{to}: {said}");
    }
    Ok(())
}
