//! plpgsql_check over every function of the queue.

use anyhow::Result;
use specql_tests::plpgsql_check;

use crate::support::Queue;

#[tokio::test]
async fn plpgsql_check_has_nothing_to_say() -> Result<()> {
    let queue = Queue::new().await?;
    let report = plpgsql_check::check(&queue.db).await?;
    assert!(report.remarks.is_empty(), "{:#?}", report.remarks);
    assert!(report.functions > 20, "{}", report.functions);
    Ok(())
}
