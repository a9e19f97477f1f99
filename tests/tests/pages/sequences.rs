//! What `docs/sequences.md` shows.

use crate::page::Page;

#[tokio::test]
async fn numbers_are_taken_as_the_page_says() -> anyhow::Result<()> {
    let page = Page::read("sequences.md")?;
    let database = specql_tests::compiled::database(&page.project()?).await?;
    assert_eq!(page.run(&mut *database.pool().acquire().await?).await?, 3);
    Ok(())
}
