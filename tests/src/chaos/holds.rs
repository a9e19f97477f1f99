//! Transactions of somebody else that stay open, and hold what the queue wants.

use std::time::{Duration, Instant};

use sqlx::{
    ConnectOptions as _, FromRow, PgConnection,
    postgres::{PgConnectOptions, PgRow},
    types::{
        Uuid,
        chrono::{DateTime, Utc},
    },
};
use tokio::{sync::watch, task::JoinSet};

use super::{load, recovery::Span};
use crate::work::Queue;

/// Rows that one transaction holds at most.
const ROWS: i64 = 20;
/// Jobs that one transaction cancels at most.
const JOBS: i64 = 5;
/// How long it looks for something to hold.
const LOOK: Duration = Duration::from_secs(5);

/// All of them.
pub(super) struct Holds {
    server: PgConnectOptions,
    open: JoinSet<Held>,
    stop: std::sync::Arc<watch::Sender<bool>>,
}

/// What one has held.
enum Held {
    Rows(usize),
    Jobs(Cancelled),
    /// PostgreSQL went away before, or there was nothing to hold.
    Nothing,
}

/// Jobs that one transaction cancelled.
#[derive(Clone, Debug)]
pub(super) struct Cancelled {
    pub(super) jobs: Vec<Uuid>,
    /// How long they were locked.
    pub(super) span: Span,
    /// When each was surely cancelled, by the database's clock. Without a time that is not known, or it was rolled back.
    pub(super) at: Option<DateTime<Utc>>,
}

impl Holds {
    pub(super) fn new(queue: &Queue) -> Self {
        let (stop, _) = load::stop_signal();
        Self { server: queue.options(), open: JoinSet::new(), stop }
    }

    pub(super) fn rows(&mut self, time: Duration) {
        let (server, stop) = (self.server.clone(), self.stop.subscribe());
        self.open.spawn(async move { rows(&server, time, stop).await.map_or(Held::Nothing, Held::Rows) });
    }

    pub(super) fn cancel(&mut self, time: Duration, commit: bool) {
        let (server, stop) = (self.server.clone(), self.stop.subscribe());
        self.open.spawn(async move { cancel(&server, time, commit, stop).await.map_or(Held::Nothing, Held::Jobs) });
    }

    /// Ends all of them. How many rows were held, and what was cancelled.
    pub(super) async fn end(mut self) -> (usize, Vec<Cancelled>) {
        self.stop.send_replace(true);
        let (mut rows, mut cancelled) = (0, Vec::new());
        while let Some(held) = self.open.join_next().await {
            match held.expect("a transaction does not panic") {
                Held::Rows(held) => rows += held,
                Held::Jobs(held) => cancelled.push(held),
                Held::Nothing => {}
            }
        }
        (rows, cancelled)
    }
}

async fn hold(time: Duration, mut stop: watch::Receiver<bool>) {
    // An end of the sender is an end of the run.
    let _ = tokio::time::timeout(time, stop.wait_for(|stop| *stop)).await;
}

/// Locks rows that callbacks of unfinished jobs will change.
async fn rows(server: &PgConnectOptions, time: Duration, stop: watch::Receiver<bool>) -> Result<usize, sqlx::Error> {
    let sql = "SELECT t.pk_task::bigint FROM work.tb_task AS t WHERE t.pk_task IN (
            SELECT j.entity_pk FROM jobs.tb_job_run AS j WHERE j.entity_type = 'Task'
                AND NOT EXISTS (SELECT FROM jobs.tb_job_outcome AS o WHERE o.pk_job_run = j.pk_job_run)
            ORDER BY j.pk_job_run DESC LIMIT $1)
        FOR UPDATE SKIP LOCKED";
    let (mut connection, rows): (_, Vec<i64>) = found(server, sql, ROWS).await?;
    hold(time, stop).await;
    // Where PostgreSQL has gone meanwhile, so have the locks.
    let _ = sqlx::query("ROLLBACK").execute(&mut connection).await;
    Ok(rows.len())
}

/// Cancels jobs that run.
async fn cancel(
    server: &PgConnectOptions,
    time: Duration,
    commit: bool,
    stop: watch::Receiver<bool>,
) -> Result<Cancelled, sqlx::Error> {
    // Not those whose end somebody is writing, for whom it would wait; and not the display's, which is to have the last word.
    let running = "SELECT j.id FROM jobs.tb_job_lease AS l JOIN jobs.tb_job_run AS j USING (pk_job_run)
        JOIN jobs.tb_operation AS o ON o.code = l.operation_code
        WHERE o.operation <> 'show' LIMIT $1 FOR UPDATE OF l SKIP LOCKED";
    let (mut connection, jobs): (_, Vec<Uuid>) = found(server, running, JOBS).await?;
    let from = Utc::now();
    let mut cancelled = Cancelled { jobs, span: Span { from, to: from }, at: None };
    // A failure from here on, like that of the commit, leaves unknown what became of the cancel.
    let ended: Result<DateTime<Utc>, sqlx::Error> = async {
        let sql =
            "SELECT clock_timestamp() FROM unnest($1) AS a (id) WHERE jobs.cancel(a.id) IS NOT NULL LIMIT 1 OFFSET $2";
        let last = i64::try_from(cancelled.jobs.len() - 1).expect("few jobs");
        let at = sqlx::query_scalar(sql).bind(&cancelled.jobs).bind(last).fetch_one(&mut connection).await?;
        hold(time, stop).await;
        sqlx::query(if commit { "COMMIT" } else { "ROLLBACK" }).execute(&mut connection).await?;
        Ok(at)
    }
    .await;
    cancelled.span = Span::since(from);
    cancelled.at = ended.ok().filter(|_| commit);
    Ok(cancelled)
}

/// An open transaction that has locked what the question finds, asked again until it finds something.
async fn found<T>(
    server: &PgConnectOptions,
    question: &'static str,
    limit: i64,
) -> Result<(PgConnection, Vec<T>), sqlx::Error>
where
    (T,): for<'r> FromRow<'r, PgRow>,
    T: Send + Unpin,
{
    let start = Instant::now();
    loop {
        let asked = async {
            let mut connection = server.connect().await?;
            sqlx::query("BEGIN").execute(&mut connection).await?;
            let rows: Vec<(T,)> = sqlx::query_as(question).bind(limit).fetch_all(&mut connection).await?;
            Ok((connection, rows))
        };
        match asked.await {
            Ok((connection, rows)) if !rows.is_empty() => {
                return Ok((connection, rows.into_iter().map(|(one,)| one).collect()));
            }
            Err(error) if start.elapsed() > LOOK => return Err(error),
            Ok(_) if start.elapsed() > LOOK => return Err(sqlx::Error::RowNotFound),
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Of the jobs whose cancel was committed while they ran, those that somebody started once more.
pub(super) async fn started_again(queue: &Queue, cancelled: &[Cancelled]) -> i64 {
    let surely = cancelled.iter().filter_map(|cancel| Some((&cancel.jobs, cancel.at?)));
    let (jobs, times): (Vec<Uuid>, Vec<DateTime<Utc>>) =
        surely.flat_map(|(jobs, at)| jobs.iter().map(move |job| (*job, at))).unzip();
    let sql = "SELECT count(*) FROM unnest($1, $2) AS c (id, at)
        JOIN jobs.v_job_attempt AS a ON a.id = c.id AND a.event = 'claimed' AND a.at > c.at";
    sqlx::query_scalar(sql).bind(jobs).bind(times).fetch_one(queue.pool()).await.expect("an answer")
}
