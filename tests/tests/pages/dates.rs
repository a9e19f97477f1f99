//! What `docs/dates.md` shows.

use crate::page::Page;

#[tokio::test]
async fn dates_are_computed_as_the_page_says_wherever_the_session_is() -> anyhow::Result<()> {
    let page = Page::read("dates.md")?;
    for zone in ["UTC", "Asia/Tokyo"] {
        let database = specql_tests::compiled::database(&page.project()?).await?;
        let mut session = database.pool().acquire().await?;
        sqlx::query("SELECT set_config('TimeZone', $1, false)").bind(zone).execute(&mut *session).await?;
        assert_eq!(page.run(&mut session).await?, 2, "{zone}");
    }
    Ok(())
}
