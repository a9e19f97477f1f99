//! `specql jobs`, on a database with a queue.
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

use std::{
    path::Path,
    process::{Command, Output},
};

use specql_runtime::testing::TestDatabase;

/// Two charges whose outcome is unknown, one that was refused, and one that waits.
const FAILURES: &str = "
SELECT jobs.register_operations('[{\"service\": \"pay\", \"operation\": \"charge\", \"timeout_seconds\": 30, \"max_attempts\": 1}]');
SELECT jobs.enqueue('pay', 'charge', '{}', 'key ' || n) FROM generate_series(1, 3) AS n;
SELECT jobs.claim('00000000-0000-0000-0000-000000000001', ARRAY[1], 3, true);
SELECT jobs.fail('00000000-0000-0000-0000-000000000001', ARRAY[l.pk_job_run], ARRAY[l.epoch],
    ARRAY[CASE WHEN l.pk_job_run = 2 THEN 'permanent_reported' ELSE 'ambiguous' END], ARRAY['no answer'], ARRAY[NULL::bigint],
    ARRAY[true], NULL) FROM jobs.tb_job_lease AS l;
SELECT jobs.enqueue('pay', 'charge', '{}', 'key 2');
";

async fn database() -> TestDatabase {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specql-compiler/src/sql/jobs");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let schema: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    TestDatabase::from_sql(&format!("{schema}{FAILURES}")).await.unwrap()
}

fn specql(database: &TestDatabase, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_specql"))
        .arg("jobs")
        .args(arguments)
        .env("DATABASE_URL", database.url())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_jobs_are_retried_by_service_and_class() {
    let database = database().await;
    let retry = |arguments: &[&str]| said(&specql(&database, &[&["retry"], arguments].concat()));
    assert_eq!(retry(&["--service", "mail"]), "queued again: 0\n");
    assert_eq!(retry(&["--service", "pay", "--class", "ambiguous", "--limit", "1"]), "queued again: 1\n");
    assert_eq!(
        retry(&["--all"]),
        "queued again: 1\nleft as they are, because another job has taken the key since: 1\n"
    );
    let failed = said(&specql(&database, &["list", "--status", "failed"]));
    assert_eq!(failed.matches("pay.charge").count(), 1, "{failed}");
    let pending = said(&specql(&database, &["list", "--status", "pending"]));
    assert_eq!(pending.matches("pay.charge").count(), 3, "{pending}");
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_wants_a_job_or_what_jobs_have_in_common_and_not_both() {
    let database = database().await;
    for (arguments, reason) in [
        (vec!["retry"], "required"),
        (vec!["retry", "--limit", "5"], "required"),
        (vec!["retry", "00000000-0000-0000-0000-000000000001", "--all"], "cannot be used with"),
        (vec!["retry", "--all", "--service", "pay"], "cannot be used with"),
        (vec!["retry", "--operation", "charge"], "required"),
        (vec!["retry", "--since", "the day before"], "invalid input syntax"),
    ] {
        let output = specql(&database, &arguments);
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && message.contains(reason), "{arguments:?}: {message}");
    }
    let failed = said(&specql(&database, &["list", "--status", "failed"]));
    assert_eq!(failed.matches("pay.charge").count(), 3, "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_job_says_why_it_waits() {
    let database = database().await;
    let run = |arguments: &[&str]| said(&specql(&database, arguments));
    let pending = |reason: &str| {
        let listed = run(&["list", "--status", "pending"]);
        assert!(listed.lines().any(|line| line.contains("pay.charge") && line.contains(reason)), "{reason}: {listed}");
    };
    pending("worker");
    assert_eq!(run(&["pause", "--service", "pay", "--reason", "maintenance"]), "paused; what runs goes on\n");
    assert_eq!(run(&["pause", "--service", "pay"]), "it was paused already\n");
    pending("pause");
    let id: uuid::Uuid = sqlx::query_scalar("SELECT id FROM jobs.v_job_run WHERE status = 'pending'")
        .fetch_one(database.pool())
        .await
        .unwrap();
    let shown = run(&["show", &id.to_string()]);
    let reason = shown.lines().find(|line| line.starts_with("waits_for")).unwrap_or_default();
    assert!(reason.contains("pause"), "{shown}");
    assert_eq!(run(&["resume", "--service", "pay"]), "resumed\n");
    assert!(!specql(&database, &["resume", "--service", "pay"]).status.success(), "there is none any more");
    assert!(!specql(&database, &["pause"]).status.success(), "nothing is named");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breaker_is_closed_by_hand() {
    let database = database().await;
    let open = "SELECT jobs.open_breaker(gen_random_uuid(), 1, 60000, 60000, 'down')";
    sqlx::query(open).execute(database.pool()).await.unwrap();
    assert_eq!(said(&specql(&database, &["breaker", "close", "pay", "charge"])), "closed: 1\n");
    assert_eq!(said(&specql(&database, &["breaker", "close", "pay"])), "closed: 0\n");
    let unknown = specql(&database, &["breaker", "close", "mail"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("there is no operation `mail`"));
}
