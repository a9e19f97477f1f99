//! What is too slow for every pair: a real dump, and `plpgsql_check` over every function.

use anyhow::{Context as _, Result, ensure};
use specql_runtime::testing::TestDatabase;
use specql_tests::{
    dump,
    migrations::{apply, undo},
    plpgsql_check,
};

use crate::{
    database::Database,
    pair::{Built, Pair, has_queue},
};

/// So many pairs, each with a step.
const SAMPLE: usize = 20;

/// Pairs whose build makes a step and retires no callback: such a function stays, and is in no fresh schema.
fn sample() -> impl Iterator<Item = (Pair, Built)> {
    (1_000_000..)
        .map(crate::pair)
        .filter_map(|pair| {
            let built = pair.build().unwrap_or_else(|failure| panic!("{}", failure.told(&pair)));
            (!built.second.step.is_empty() && built.retires_nothing()).then_some((pair, built))
        })
        .take(SAMPLE)
}

async fn dumped(test: &TestDatabase) -> Result<Vec<String>> {
    let url = test.url();
    tokio::task::spawn_blocking(move || dump::schema(&url)).await?
}

fn same(now: &[String], fresh: &[String]) -> Result<()> {
    let only = |one: &[String], other: &[String]| -> Vec<String> {
        one.iter().filter(|part| !other.contains(part)).cloned().collect()
    };
    let (more, less) = (only(now, fresh), only(fresh, now));
    ensure!(
        more.is_empty() && less.is_empty(),
        "should not be there:\n{}\nis missing:\n{}",
        more.join("\n"),
        less.join("\n")
    );
    Ok(())
}

async fn there_and_back(pair: &Pair, built: &Built) -> Result<()> {
    let fresh = dumped(&TestDatabase::from_sql(&built.second.schema.render()).await?).await?;
    let mut database = Database::new(has_queue(&pair.before)).await?;
    apply(&mut database.connection, &built.first.step).await?;
    let before = dumped(&database.test).await?;
    apply(&mut database.connection, &built.second.step).await?;
    same(&dumped(&database.test).await?, &fresh).context("after the step")?;
    undo(&mut database.connection, &built.second.step).await?;
    same(&dumped(&database.test).await?, &before).context("after the reverse")
}

#[tokio::test(flavor = "multi_thread")]
async fn pg_dump_says_the_same_of_a_step_and_of_a_fresh_database() {
    let tasks: Vec<_> = sample()
        .map(|(pair, built)| tokio::spawn(async move { (there_and_back(&pair, &built).await, pair) }))
        .collect();
    for task in tasks {
        let (outcome, pair) = task.await.unwrap();
        outcome.with_context(|| format!("seed {}: {:#?}", pair.seed, pair.edits)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plpgsql_check_passes_what_a_step_leaves() {
    let mut functions = 0;
    for (pair, built) in sample() {
        let mut database = Database::new(has_queue(&pair.before)).await.unwrap();
        apply(&mut database.connection, &built.first.step).await.unwrap();
        apply(&mut database.connection, &built.second.step).await.unwrap();
        let report = plpgsql_check::check(&database.test).await.unwrap();
        assert!(report.remarks.is_empty(), "seed {}: {:#?}\n{:#?}", pair.seed, pair.edits, report.remarks);
        functions += report.functions;
    }
    assert!(functions > SAMPLE);
}
