//! Values that change while a display is told of them: it hears the newest last, and never two at once.

use std::sync::Arc;

use sqlx::types::Uuid;

use crate::work::Queue;

/// Few, so that one is turned again while its display is still being told.
const DIALS: i32 = 8;

/// Makes them.
pub(super) async fn make(queue: &Queue) -> Arc<[Uuid]> {
    let sql = "INSERT INTO work.tb_dial (value) SELECT 0 FROM generate_series(1, $1) RETURNING id";
    let dials: Vec<Uuid> = sqlx::query_scalar(sql).bind(DIALS).fetch_all(queue.pool()).await.expect("dials");
    dials.into()
}

/// What their displays were told.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // the lines that the report prints name them
pub struct Displays {
    pub told: i64,
    /// Dials whose display does not show their value.
    pub wrong: i64,
    /// Times that a display was told of an older value after a newer one.
    pub backwards: i64,
    /// Times that it was told of two at once.
    pub together: i64,
    /// Calls that a worker made whose lease had been lost; nobody can hinder one that is paused just before its call.
    pub late: i64,
}

/// How it stands when all jobs have ended.
pub(super) async fn displays(queue: &Queue) -> Displays {
    let (told, wrong, backwards, together, late) =
        sqlx::query_as(DISPLAYS).fetch_one(queue.pool()).await.expect("an answer");
    Displays { told, wrong, backwards, together, late }
}

/// One row of [`Displays`]. The call of a lost lease has no end that the queue could wait for.
const DISPLAYS: &str = "
    WITH showing AS (
        SELECT s.pk_showing, s.dial, s.value, s.at, s.ended_at, j.pk_job_run, o.completed_at,
            lost.at AS lost_at
        FROM far_side.tb_showing AS s
        JOIN jobs.tb_job_run AS j ON j.id = s.job
        LEFT JOIN jobs.tb_job_outcome AS o ON o.pk_job_run = j.pk_job_run
        LEFT JOIN LATERAL (
            SELECT min(a.at) AS at FROM jobs.tb_job_attempt AS a
            WHERE a.pk_job_run = j.pk_job_run AND a.attempt = s.attempt AND a.event = 'lost') AS lost ON true),
    call AS (
        SELECT * FROM showing WHERE lost_at IS NULL OR lost_at > at),
    pair AS (
        SELECT a.at AS a_at, b.at AS b_at, a.completed_at, a.ended_at, a.lost_at
        FROM call AS a
        JOIN call AS b ON b.dial = a.dial AND b.pk_job_run > a.pk_job_run)
    SELECT (SELECT count(*) FROM showing),
        (SELECT count(*) FROM work.tb_dial AS d
            WHERE EXISTS (SELECT FROM showing AS s WHERE s.dial = d.id)
                AND d.value IS DISTINCT FROM (SELECT c.value FROM call AS c WHERE c.dial = d.id ORDER BY c.at DESC LIMIT 1)),
        (SELECT count(*) FROM pair AS p WHERE p.a_at > p.b_at),
        (SELECT count(*) FROM pair AS p WHERE p.a_at <= p.b_at
            AND (p.completed_at > p.b_at OR (p.ended_at > p.b_at AND p.lost_at IS NULL))),
        (SELECT count(*) FROM showing AS s WHERE s.lost_at <= s.at)";
