//! Everything goes wrong at once; see `specql_tests::chaos`. `cargo xtask chaos --minutes 10` makes it longer.
#![allow(missing_docs)]

use std::{env, time::Duration};

use specql_tests::chaos::{Settings, run};

/// How long things go wrong where nothing is said: with the start and the drain it is a minute.
const SECONDS: u64 = 45;
/// How soon the jobs of a killed worker go on: what is promised, where somebody has a machine run this for longer, and a
/// bound for machines on which all tests run at once.
const RECOVERY: Duration = Duration::from_secs(15);
const RECOVERY_BESIDE_TESTS: Duration = Duration::from_secs(30);

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("`{variable}` is no number: `{text}`")))
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_nothing_is_lost_doubled_or_left_over() {
    let seconds = number("SPECQL_CHAOS_SECONDS");
    let settings = Settings {
        length: Duration::from_secs(seconds.unwrap_or(SECONDS)),
        recovery: if seconds.is_some() { RECOVERY } else { RECOVERY_BESIDE_TESTS },
        // Another one each time: a failure prints it, and with it the run can be had again.
        seed: number("SPECQL_CHAOS_SEED").unwrap_or_else(|| u64::from(std::process::id())),
        worker: env!("CARGO_BIN_EXE_task-worker").into(),
    };
    let report = run(&settings).await;
    println!("\n{report}");
    assert!(report.violations.is_empty(), "with SPECQL_CHAOS_SEED={}: {:#?}", report.seed, report.violations);
}
