//! `docs/functions.md`.

use anyhow::Result;
use specql_tests::{compiled, plpgsql_check};

use crate::page::Page;

#[tokio::test]
async fn the_functions_of_the_page_answer_as_it_says() -> Result<()> {
    let page = Page::read("functions.md")?;
    let database = compiled::database(&page.project()?).await?;
    assert_eq!(page.run(&mut *database.pool().acquire().await?).await?, 4);
    Ok(())
}

#[tokio::test]
async fn plpgsql_check_reads_the_blocks_of_the_page() -> Result<()> {
    let mut page = Page::read("functions.md")?;
    let made = "CREATE FUNCTION sales.postage(weight numeric) RETURNS numeric LANGUAGE sql STABLE AS 'SELECT weight'";
    for (column, remarks) in [("number", 0), ("nummer", 1)] {
        let database = compiled::database(&page.project()?).await?;
        sqlx::raw_sql(made).execute(database.pool()).await?;
        let found = plpgsql_check::check(&database).await?.remarks;
        assert_eq!(found.len(), remarks, "{found:#?}");
        assert!(found.iter().all(|remark| remark.starts_with("sales.next_number") && remark.contains(column)));
        if remarks == 0 {
            page.replace("starts_with(number, prefix", "starts_with(nummer, prefix");
        }
    }
    Ok(())
}
