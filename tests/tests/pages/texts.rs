//! What `docs/texts-and-expressions.md` says of money.

use serde_json::json;
use specql_tests::{app::repository, compiled};

#[tokio::test]
async fn money_reads_as_the_page_about_texts_says() -> anyhow::Result<()> {
    let page = std::fs::read_to_string(repository().join("docs/texts-and-expressions.md"))?;
    let sample = page.split("```yaml\n").find(|sample| sample.starts_with("entity: Bill")).unwrap();
    let sample = sample.split("```").next().unwrap();
    let database = compiled::database(&compiled::files(&[("entities/bill.yaml", sample)])?).await?;
    for (price, said) in [
        ("9.99", ["`9.9900 EUR, fee 0.50`", "`9.99 EUR, fee 0.50`"]),
        ("9.995", ["`9.9950 EUR, fee 0.50`", "`10.00 EUR, fee 0.50`"]),
    ] {
        let bill: uuid::Uuid = sqlx::query_scalar("SELECT id FROM app.create_bill(NULL, NULL, $1)")
            .bind(json!({"price": price, "fee": "0.5"}))
            .fetch_one(database.pool())
            .await?;
        for (action, said) in ["print_bill", "print_bill_in_two_digits"].into_iter().zip(said) {
            let sql = format!("SELECT concat('`', message, '`') FROM app.{action}(NULL, NULL, $1)");
            let printed: String = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
                .bind(json!({"id": bill}))
                .fetch_one(database.pool())
                .await?;
            assert_eq!(printed, said);
            assert!(price != "9.99" || page.contains(&printed), "the page does not say {printed}");
        }
    }
    Ok(())
}
