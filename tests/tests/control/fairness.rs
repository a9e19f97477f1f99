//! Tenants share the workers.

use std::{convert::Infallible, time::Duration};

use uuid::Uuid;

use crate::project::{Calls, Empty, Mail, Other, Queue, Settings, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_many_jobs_does_not_delay_anothers_one() {
    let queue = Queue::new(Settings::default(), Settings::default()).await;
    let (large, small) = (Uuid::from_u128(1), Uuid::from_u128(2));
    queue.enqueue_many("mail", 5_000, Some(large)).await;
    let calls = Calls::default();
    let mut workers = Vec::new();
    for _ in 0..2 {
        let calls = calls.clone();
        let handler = move |_, _| {
            let calls = calls.clone();
            async move {
                calls.call(Duration::from_millis(5)).await;
                Ok::<_, Infallible>(Empty::new())
            }
        };
        let worker = queue.worker().concurrency(2).handle::<Mail>(handler.clone()).handle::<Other>(handler);
        workers.push(worker.start().await.unwrap());
    }
    eventually(async || (calls.made() > 50).then_some(())).await;
    queue.enqueue_many("mail", 1, Some(small)).await;
    queue.enqueue_many("other", 1, None).await;
    let before = calls.made();
    eventually(async || {
        let sql = "SELECT count(*) FROM jobs.tb_job_outcome AS o JOIN jobs.tb_job_run AS j USING (pk_job_run) \
                   WHERE j.tenant_id IS DISTINCT FROM '00000000-0000-0000-0000-000000000001'";
        (queue.count(sql).await == 2).then_some(())
    })
    .await;
    let between = calls.made() - before;
    // They were served among the next claims, not behind five thousand.
    assert!(between < 1_000, "{between} calls came before them");
    queue.execute("DELETE FROM jobs.tb_job_ready").await;
    for worker in workers {
        worker.shutdown().await.unwrap();
    }
}
