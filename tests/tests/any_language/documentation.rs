//! What `docs/other-languages.md` and `examples/python` show is true.

use specql_registry::{FailureClass, failure::RetryRule};
use specql_tests::{app::repository, compiled, work::Queue};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};

use crate::support::{Python, worker_options};

/// The samples of a language in `docs/other-languages.md`.
fn samples(language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(repository().join("docs/other-languages.md")).unwrap();
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// The statements of a sample, each with the answer in the comment behind it.
fn statements(sample: &str) -> Vec<(String, Option<String>)> {
    let mut statements: Vec<(String, Option<String>)> = Vec::new();
    let mut begun = String::new();
    for line in sample.lines() {
        if let Some(answer) = line.strip_prefix("-- ") {
            statements.last_mut().unwrap().1 = Some(answer.to_owned());
        } else if let Some(end) = line.strip_suffix(';') {
            statements.push((std::mem::take(&mut begun) + end, None));
        } else {
            begun = begun + line + "\n";
        }
    }
    assert_eq!(begun, "", "a statement has no end");
    statements
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_of_the_page_is_answered_as_it_says() {
    let registry = samples("yaml");
    let project = compiled::files(&[("registry/service_registry.yaml", &registry[0])]).unwrap();
    let database = compiled::database(&project).await.unwrap();
    let jobs = "SELECT jobs.enqueue_many('ledger', 'post', array_fill('{\"amount\": 3}'::jsonb, ARRAY[4]))";
    sqlx::raw_sql(jobs).execute(database.pool()).await.unwrap();
    let mut sql: Vec<_> = samples("sql").iter().flat_map(|sample| statements(sample)).collect();

    let mut transaction = database.pool().begin().await.unwrap();
    let (role, _) = sql.remove(0);
    transaction.execute(sqlx::raw_sql(AssertSqlSafe(role))).await.unwrap();
    transaction.rollback().await.unwrap();

    let options = worker_options(database.pool(), &database.url()).await;
    let (mut worker, mut listener) = (options.connect().await.unwrap(), options.connect().await.unwrap());
    for (statement, answer) in &sql {
        let Some(answer) = answer else {
            // sqlx's own connections do not expect notifications.
            let connection = if statement.starts_with("LISTEN") { &mut listener } else { &mut worker };
            connection.execute(sqlx::raw_sql(AssertSqlSafe(statement.clone()))).await.unwrap();
            continue;
        };
        let rows = format!("SELECT string_agg(answer::text, ' ') FROM ({statement}) AS answer");
        let said: Option<String> = sqlx::query_scalar(AssertSqlSafe(rows)).fetch_one(&mut worker).await.unwrap();
        assert_eq!(said.as_ref(), Some(answer), "{statement}");
    }
    let answered = sql.iter().filter(|(_, answer)| answer.is_some()).count();
    assert_eq!((sql.len(), answered), (19, 15));
}

#[test]
fn what_it_says_of_failure_classes_is_what_the_worker_in_rust_does() {
    let text = std::fs::read_to_string(repository().join("docs/other-languages.md")).unwrap();
    let mut seen = 0;
    for row in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        for name in cells[0].split(", ") {
            let class = FailureClass::from_name(name.trim_matches('`')).unwrap();
            let again = match class.retry_rule() {
                RetryRule::Always => "yes",
                RetryRule::IfIdempotent => "if the operation is idempotent",
                RetryRule::Reschedule => "yes, without using an attempt up",
                RetryRule::Never | RetryRule::CallbackOnly => "no",
            };
            assert_eq!(cells[2], again, "{name}");
            seen += 1;
        }
    }
    assert_eq!(seen, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_runs_as_it_stands() {
    let queue = Queue::new().await;
    queue
        .execute(
            "SELECT jobs.register_operations('[{\"service\": \"ledger\", \"operation\": \"post\", \
            \"timeout_seconds\": 30, \"max_attempts\": 3}]')",
        )
        .await;
    let _python = Python::example(&queue).await;
    let job: uuid::Uuid = sqlx::query_scalar("SELECT job_id FROM jobs.enqueue('ledger', 'post', '{\"amount\": 3}')")
        .fetch_one(queue.pool())
        .await
        .unwrap();
    assert_eq!(queue.outcome(job).await.status, "completed");
    assert_eq!(queue.output(job).await["entry"], job.to_string());
}
