//! What `docs/lists-and-objects.md` shows.

use crate::page::Page;

#[tokio::test]
async fn lists_and_objects_are_made_as_the_page_says() -> anyhow::Result<()> {
    let page = Page::read("lists-and-objects.md")?;
    let database = specql_tests::compiled::database(&page.project()?).await?;
    let mut session = database.pool().acquire().await?;
    assert_eq!(page.run(&mut session).await?, 5);
    Ok(())
}
