//! `docs/other-rows.md`.

use specql_tests::compiled;

use crate::page::Page;

#[tokio::test]
async fn the_rows_of_other_entities_are_counted_as_the_page_says() -> anyhow::Result<()> {
    let page = Page::read("other-rows.md")?;
    let project = page.project()?;
    assert!(project.diagnostics.is_empty(), "{:?}", project.diagnostics);
    let database = compiled::database(&project).await?;
    let answered = page.run(&mut *database.pool().acquire().await?).await?;
    assert_eq!((page.statements.len(), answered), (12, 12));
    Ok(())
}

#[test]
fn what_the_page_says_does_not_compile_does_not() -> anyhow::Result<()> {
    for (from, to, said) in [
        ("error: has_one\n", "error: has_one\n      - validate: exists(Ticket WHERE price > seats)\n", "[SQ0302]"),
        ("  taken: bigint! = 0", "  taken: integer! = 0", "[SQ0303]"),
        ("coalesce(sum(Ticket.price WHERE event = $event), 0)", "sum(Ticket.price WHERE event = $event)", "[SQ0304]"),
        ("  income: money! = 0\n", "  income: money! = 0\nchecks:\n  few: seats > count(Ticket)\n", "[SQ0311]"),
    ] {
        let mut page = Page::read("other-rows.md")?;
        page.replace(from, to);
        let found = page.project().unwrap_err().to_string();
        assert!(found.contains(said), "{to}: {found}");
    }
    Ok(())
}
