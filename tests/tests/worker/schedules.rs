//! Schedules: every due time once, whatever becomes of the workers.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use specql_compiler::{
    Compilation,
    internals::{
        migrations::{Direction, diff, render::render},
        sql,
    },
};
use specql_runtime::{Database, Project, Worker, testing::TestDatabase};
use specql_tests::compiled;
use sqlx::{AssertSqlSafe, PgPool};

use crate::project::eventually;

static PROJECT: Project = Project {
    name: "test",
    root: "",
    compiler_version: "",
    migrations: &[],
    registry: "{\"services\":{}}",
    uses_jobs: true,
    functions: &[],
};

/// A tick with an action that makes one, an action that fails, and these schedules.
fn project(schedules: &str) -> Compilation {
    let text = format!(
        "\
entity: Tick
schema: clock
fields: {{note: text!}}
schedules: [{schedules}]
actions:
  - name: tick
    input: {{note: text!}}
    steps: [{{insert: Tick, values: {{note: $input.note}}}}]
  - name: refuse
    steps: [{{reject: not_today}}]
"
    );
    compiled::files(&[("entities/tick.yaml", &text)]).unwrap()
}

struct Clock {
    test: TestDatabase,
    database: Database,
}

/// What is recorded of a schedule.
#[derive(Debug)]
struct Record {
    runs: i64,
    failures: i64,
    skipped: i64,
    last_due_at: Option<DateTime<Utc>>,
    last_status: Option<String>,
}

impl Clock {
    async fn new(schedules: &str) -> Self {
        let test = compiled::database(&project(schedules)).await.unwrap();
        let database = Database::from_pool(test.pool().clone(), &PROJECT);
        Self { test, database }
    }

    fn pool(&self) -> &PgPool {
        self.test.pool()
    }

    async fn worker(&self) -> Worker {
        Worker::builder(&self.database).shutdown_timeout(Duration::from_secs(5)).start().await.unwrap()
    }

    async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(self.pool()).await.unwrap();
    }

    async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.pool()).await.unwrap()
    }

    /// As if no worker had looked for so long.
    async fn unseen_for(&self, time: &str) {
        sqlx::query("UPDATE jobs.tb_schedule SET counted_to = date_trunc('second', now()) - $1::text::interval")
            .bind(time)
            .execute(self.pool())
            .await
            .unwrap();
    }

    async fn record(&self, name: &str) -> Record {
        let (runs, failures, skipped, last_due_at, last_status) = sqlx::query_as(
            "SELECT runs, failures, skipped, last_due_at, last_status FROM jobs.v_schedule WHERE name = $1",
        )
        .bind(name)
        .fetch_one(self.pool())
        .await
        .unwrap();
        Record { runs, failures, skipped, last_due_at, last_status }
    }

    /// The record, as soon as it is like that.
    async fn recorded(&self, name: &str, like_that: fn(&Record) -> bool) -> Record {
        eventually(async || Some(self.record(name).await).filter(like_that)).await
    }
}

/// The rule of a time of day that was `ago` by the clocks at `offset` hours, and that moment.
fn daily(ago: TimeDelta, offset: i64) -> (String, DateTime<Utc>) {
    let moment = Utc::now() - ago;
    let due = DateTime::from_timestamp(moment.timestamp() / 60 * 60, 0).unwrap();
    ((due + TimeDelta::hours(offset)).format("%-M %-H * * *").to_string(), due)
}

const EVERY_SECOND: &str = "{name: beat, cron: '* * * * * *', action: tick, input: {note: \"beat\"}, catch_up: all}";

#[tokio::test(flavor = "multi_thread")]
async fn each_time_is_run_once_over_two_workers_that_lose_their_connections_and_one_that_dies() {
    let clock = Clock::new(EVERY_SECOND).await;
    clock.unseen_for("300 seconds").await;
    let start = "SELECT extract(epoch FROM counted_to)::bigint FROM jobs.tb_schedule";
    let from = clock.count(start).await;
    let (first, second) = (clock.worker().await, clock.worker().await);
    for wait in [3, 11, 29, 47] {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        clock
            .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'specql schedule'")
            .await;
    }
    drop(first); // As if the process were killed.
    let caught_up = "SELECT count(*) FROM jobs.tb_schedule WHERE counted_to > now() - interval '1.5 seconds'";
    eventually(async || (clock.count(caught_up).await == 1).then_some(())).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    second.shutdown().await.unwrap();

    let record = clock.record("beat").await;
    let until = clock.count(start).await;
    assert!(until - from > 301, "the second worker went on");
    assert_eq!(record.runs, until - from, "each second since {from} once: {record:?}");
    assert_eq!(clock.count("SELECT count(*) FROM clock.tb_tick").await, record.runs);
    assert_eq!(
        clock.count("SELECT count(*) FROM app.tb_mutation_audit_log WHERE status = 'success'").await,
        record.runs
    );
    assert_eq!((record.failures, record.skipped), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_whose_worker_is_lost_in_the_middle_of_the_action_is_run_by_another() {
    let (cron, due) = daily(TimeDelta::minutes(2), 0);
    let clock = Clock::new(&format!("{{name: slow, cron: '{cron}', action: tick, input: {{note: \"slow\"}}}}")).await;
    // The first run hangs, until its connection is cut.
    clock
        .execute(
            "CREATE SEQUENCE clock.tries;
            CREATE FUNCTION clock.hang() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN IF nextval('clock.tries') = 1 THEN PERFORM pg_sleep(60); END IF; RETURN NEW; END $$;
            CREATE TRIGGER hang BEFORE INSERT ON clock.tb_tick FOR EACH ROW EXECUTE FUNCTION clock.hang()",
        )
        .await;
    clock.unseen_for("1 hour").await;
    let (first, second) = (clock.worker().await, clock.worker().await);
    let hanging = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    eventually(async || (clock.count(hanging).await == 1).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(clock.record("slow").await.runs, 0, "the other leaves it alone");
    clock
        .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'")
        .await;
    let record = clock.recorded("slow", |record| record.runs > 0).await;
    assert_eq!((record.runs, record.last_due_at), (1, Some(due)));
    first.shutdown().await.unwrap();
    second.shutdown().await.unwrap();
    assert_eq!(clock.count("SELECT count(*) FROM clock.tb_tick").await, 1);
    assert_eq!(clock.record("slow").await.runs, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_skip_missed_times_or_catch_up_with_one_or_each_of_them() {
    let (cron, due) = daily(TimeDelta::hours(2), 0);
    let schedules: Vec<String> = ["none", "one", "all"]
        .iter()
        .map(|word| {
            format!("{{name: {word}_s, cron: '{cron}', action: tick, input: {{note: \"{word}\"}}, catch_up: {word}}}")
        })
        .collect();
    let clock = Clock::new(&schedules.join(", ")).await;
    clock.unseen_for("3 days").await;
    let workers = [clock.worker().await, clock.worker().await];
    clock.recorded("none_s", |record| record.skipped > 0).await;
    clock.recorded("one_s", |record| record.runs > 0).await;
    clock.recorded("all_s", |record| record.runs > 2).await;
    for worker in workers {
        worker.shutdown().await.unwrap();
    }
    let (skipped, once, each) =
        (clock.record("none_s").await, clock.record("one_s").await, clock.record("all_s").await);
    assert_eq!((skipped.runs, skipped.skipped, skipped.last_due_at), (0, 3, None));
    assert_eq!((once.runs, once.skipped, once.last_due_at), (1, 2, Some(due)));
    assert_eq!((each.runs, each.skipped, each.last_due_at), (3, 0, Some(due)));
    let notes: Vec<String> =
        sqlx::query_scalar("SELECT note FROM clock.tb_tick ORDER BY note").fetch_all(clock.pool()).await.unwrap();
    assert_eq!(notes, ["all", "all", "all", "one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_both_workers_a_schedule_goes_by_the_clocks_of_its_time_zone() {
    // Tokyo is nine hours ahead all the year round.
    let (cron, due) = daily(TimeDelta::minutes(10), 9);
    let action = "action: tick, input: {note: \"x\"}";
    let clock = Clock::new(&format!(
        "{{name: tokyo, cron: '{cron}', timezone: Asia/Tokyo, {action}}}, {{name: utc, cron: '{cron}', {action}}}"
    ))
    .await;
    clock.unseen_for("24 hours").await;
    let workers = [clock.worker().await, clock.worker().await];
    let tokyo = clock.recorded("tokyo", |record| record.runs > 0).await;
    let utc = clock.recorded("utc", |record| record.runs > 0).await;
    for worker in workers {
        worker.shutdown().await.unwrap();
    }
    assert_eq!(tokyo.last_due_at, Some(due));
    assert_eq!(utc.last_due_at, Some(due + TimeDelta::hours(9) - TimeDelta::days(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_action_is_recorded_and_its_schedule_goes_on() {
    let clock = Clock::new(&format!("{{name: refused, cron: '* * * * * *', action: refuse}}, {EVERY_SECOND}")).await;
    let worker = clock.worker().await;
    let record = clock.recorded("refused", |record| record.failures > 1).await;
    assert_eq!(record.runs, record.failures);
    assert_eq!(record.last_status.as_deref(), Some("failed:not_today"));
    // What an action does not catch itself: its function is gone.
    clock.execute("DROP FUNCTION app.refuse(uuid, uuid, jsonb)").await;
    clock.recorded("refused", |record| record.last_status.as_deref() == Some("failed:unexpected_error")).await;
    clock.recorded("beat", |record| record.runs > 2).await;
    worker.shutdown().await.unwrap();
    let said: String = sqlx::query_scalar("SELECT last_message FROM jobs.v_schedule WHERE name = 'refused'")
        .fetch_one(clock.pool())
        .await
        .unwrap();
    assert!(said.contains("42883"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_serialisation_failure_is_tried_again_and_counted_once() {
    let (cron, due) = daily(TimeDelta::minutes(2), 0);
    let clock = Clock::new(&format!("{{name: busy, cron: '{cron}', action: tick, input: {{note: \"busy\"}}}}")).await;
    clock
        .execute(
            "CREATE SEQUENCE clock.tries;
            CREATE FUNCTION clock.lose() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF nextval('clock.tries') < 3 THEN RAISE EXCEPTION USING ERRCODE = '40001'; END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER lose BEFORE INSERT ON clock.tb_tick FOR EACH ROW EXECUTE FUNCTION clock.lose()",
        )
        .await;
    clock.unseen_for("1 hour").await;
    let worker = clock.worker().await;
    let record = clock.recorded("busy", |record| record.runs > 0).await;
    worker.shutdown().await.unwrap();
    assert_eq!((record.runs, record.failures, record.last_due_at), (1, 0, Some(due)));
    assert_eq!(clock.count("SELECT last_value FROM clock.tries").await, 3);
    assert_eq!(clock.count("SELECT count(*) FROM clock.tb_tick").await, 1);
}

/// Applies what takes a database from one model to the other.
async fn migrate(clock: &Clock, from: &str, to: &str) {
    let plan = diff(&sql::schema(&project(from).model), &sql::schema(&project(to).model), Direction::Forward);
    assert!(plan.hazards.is_empty(), "{:?}", plan.hazards);
    let text = render(&plan);
    sqlx::raw_sql(AssertSqlSafe(text)).execute(clock.pool()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_schedule_keeps_its_past_and_makes_up_none() {
    let hourly = "{name: beat, cron: '0 * * * *', action: tick, input: {note: \"a\"}, catch_up: all}";
    let other_input = hourly.replace("\"a\"", "\"b\"");
    let other_rule = "{name: beat, cron: '* * * * * *', action: tick, input: {note: \"b\"}, catch_up: all}";
    let clock = Clock::new(hourly).await;
    clock.unseen_for("3 hours").await;
    let worker = clock.worker().await;
    let before = clock.recorded("beat", |record| record.runs >= 3).await;
    worker.shutdown().await.unwrap();
    clock.unseen_for("3 hours").await;

    // Another input: what was missed is still to be done, with the new one.
    migrate(&clock, hourly, &other_input).await;
    let kept = clock.record("beat").await;
    assert_eq!((kept.runs, kept.last_due_at), (before.runs, before.last_due_at));
    let behind = "SELECT count(*) FROM jobs.tb_schedule WHERE counted_to < now() - interval '2 hours'";
    assert_eq!(clock.count(behind).await, 1);

    // Another name: it goes on from where it was.
    let renamed = other_input.replace("name: beat", "name: pulse, renamed_from: beat");
    migrate(&clock, &other_input, &renamed).await;
    let kept = clock.record("pulse").await;
    assert_eq!((kept.runs, kept.last_due_at), (before.runs, before.last_due_at));
    assert_eq!(clock.count(behind).await, 1);
    assert_eq!(clock.count("SELECT count(*) FROM jobs.tb_schedule").await, 1);
    migrate(&clock, &renamed, &renamed.replace("name: pulse, renamed_from: beat", "name: beat, renamed_from: pulse"))
        .await;

    // Another rule: the last three hours had no second of it.
    migrate(&clock, &other_input, other_rule).await;
    let kept = clock.record("beat").await;
    assert_eq!((kept.runs, kept.last_due_at), (before.runs, before.last_due_at));
    assert_eq!(clock.count(behind).await, 0);
    let worker = clock.worker().await;
    eventually(async || Some(clock.record("beat").await.runs).filter(|runs| *runs > before.runs)).await;
    worker.shutdown().await.unwrap();
    assert!(clock.count("SELECT count(*) FROM clock.tb_tick WHERE note = 'b'").await < 60);

    // None: nothing is left of it.
    migrate(&clock, other_rule, EVERY_SECOND.replace("beat", "other").as_str()).await;
    let names: Vec<String> =
        sqlx::query_scalar("SELECT name FROM jobs.v_schedule").fetch_all(clock.pool()).await.unwrap();
    assert_eq!(names, ["other"]);
}
