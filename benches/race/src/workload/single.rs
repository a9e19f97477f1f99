//! One job a transaction, from many clients at a time.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::{
    child::Order,
    contender::{CLIENTS, Contender},
    handler::Payload,
    measure::Measured,
};

pub(crate) async fn in_child<C: Contender>(contender: &C, order: &Order) -> anyhow::Result<Measured> {
    // Each client's first is not counted: it connects.
    clients(contender, Duration::ZERO).await?;
    let started = Instant::now();
    let jobs = clients(contender, Duration::from_secs_f64(order.seconds)).await?;
    Ok(Measured { jobs, seconds: started.elapsed().as_secs_f64(), ..Measured::default() })
}

/// At least one job a client.
async fn clients<C: Contender>(contender: &C, time: Duration) -> anyhow::Result<u64> {
    let started = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..i64::from(CLIENTS) {
        let contender = contender.clone();
        clients.spawn(async move {
            let mut jobs = 0;
            loop {
                contender.enqueue(Payload::now(client)).await?;
                jobs += 1;
                if started.elapsed() >= time {
                    return anyhow::Ok(jobs);
                }
            }
        });
    }
    let mut jobs = 0;
    while let Some(client) = clients.join_next().await {
        jobs += client??;
    }
    Ok(jobs)
}
