//! What the queue has told its users, and whether it was true: read when all is over.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use sqlx::PgConnection;
use uuid::Uuid;

/// Notes in which transaction leases, callbacks and outcomes came and went, and what that transaction could see. The times
/// in the audit trail cannot tell what was first: a transaction ends some time after it looked at the clock.
pub(crate) const WATCH: &str = "
CREATE TABLE shop.tb_seen (
    pk BIGINT NOT NULL,
    epoch INTEGER NOT NULL,
    what TEXT NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    snapshot pg_snapshot NOT NULL DEFAULT pg_current_snapshot()
);
CREATE INDEX idx_tb_seen ON shop.tb_seen (pk);
CREATE FUNCTION shop.see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO shop.tb_seen (pk, epoch, what) VALUES (OLD.pk_job_run, OLD.epoch, TG_ARGV[0]);
    ELSE
        INSERT INTO shop.tb_seen (pk, epoch, what) VALUES (NEW.pk_job_run, NEW.epoch, TG_ARGV[0]);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tr_leased AFTER INSERT ON jobs.tb_job_lease FOR EACH ROW EXECUTE FUNCTION shop.see('leased');
CREATE TRIGGER tr_unleased AFTER DELETE ON jobs.tb_job_lease FOR EACH ROW EXECUTE FUNCTION shop.see('unleased');
CREATE TRIGGER tr_called AFTER INSERT ON jobs.tb_job_callback FOR EACH ROW EXECUTE FUNCTION shop.see('called');
CREATE TRIGGER tr_finished AFTER INSERT ON jobs.tb_job_outcome FOR EACH ROW EXECUTE FUNCTION shop.see('finished');
";

/// A claim that somebody has heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) worker: u8,
    pub(crate) pk: i64,
    pub(crate) epoch: i32,
}

/// What a transaction was told. It counts once that has committed.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) jobs: Vec<(i64, Uuid)>,
    pub(crate) leases: Vec<Held>,
    /// Leases that were taken out of the ledger for a report; back in, if that is undone.
    pub(crate) reported: Vec<Held>,
    /// Job, epoch, and how `jobs.complete` or `jobs.fail` said that it ended.
    pub(crate) ends: Vec<(i64, i32, String)>,
    /// `jobs.cancel` asked the worker for the end of this job: when.
    pub(crate) cancelling: Vec<(i64, String)>,
    /// `jobs.cancel` ended it.
    pub(crate) cancelled: Vec<i64>,
    /// An enqueue repeated this job; what could be seen before.
    pub(crate) repeats: Vec<(i64, String)>,
}

/// What all users of the queue were told in a round.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) told: Told,
    /// For people: everything, in the order in which it ended.
    pub(crate) log: Vec<String>,
    /// How often what was answered.
    pub(crate) figures: BTreeMap<String, u32>,
}

impl Ledger {
    pub(crate) fn committed(&mut self, told: Told) {
        self.told.jobs.extend(told.jobs);
        self.told.leases.extend(told.leases);
        self.told.ends.extend(told.ends);
        self.told.cancelling.extend(told.cancelling);
        self.told.cancelled.extend(told.cancelled);
        self.told.repeats.extend(told.repeats);
    }

    pub(crate) fn undone(&mut self, told: Told) {
        self.told.leases.extend(told.reported);
    }

    pub(crate) fn note(&mut self, what: &str) {
        *self.figures.entry(what.to_owned()).or_default() += 1;
    }
}

/// Compares what was told with what the tables and the audit trail say.
pub(crate) async fn was_true(told: &Told, connection: &mut PgConnection) -> Result<()> {
    let mut ended: BTreeMap<(i64, i32), Vec<&str>> = BTreeMap::new();
    for (pk, epoch, result) in told.ends.iter().filter(|(_, _, result)| result != "fenced") {
        ended.entry((*pk, *epoch)).or_default().push(result);
    }
    for ((pk, epoch), results) in &ended {
        ensure!(results.len() == 1, "the lease of job {pk} with epoch {epoch} was ended more than once: {results:?}");
    }
    let (pks, epochs): (Vec<i64>, Vec<i32>) = ended.keys().copied().unzip();
    let results: Vec<&str> = ended.values().map(|results| results[0]).collect();
    let untrue: Vec<(i64, i32, String)> = sqlx::query_as(
        "SELECT t.pk, t.epoch, t.result FROM unnest($1::bigint[], $2::integer[], $3::text[]) AS t (pk, epoch, result)
        WHERE NOT CASE t.result WHEN 'completed' THEN EXISTS (
                SELECT FROM jobs.tb_job_outcome AS o
                WHERE o.pk_job_run = t.pk AND o.epoch = t.epoch AND o.status = 'completed')
            ELSE EXISTS (
                SELECT FROM jobs.v_job_attempt AS a
                WHERE a.pk_job_run = t.pk AND a.epoch = t.epoch AND a.event IN ('finished', 'refused')) END",
    )
    .bind(pks)
    .bind(epochs)
    .bind(results)
    .fetch_all(&mut *connection)
    .await?;
    ensure!(untrue.is_empty(), "(job, epoch, answer): of these ends nothing is on record: {untrue:?}");

    let (pks, at): (Vec<i64>, Vec<&str>) = told.cancelling.iter().map(|(pk, at)| (*pk, at.as_str())).unzip();
    let lost: Vec<i64> = sqlx::query_scalar(
        "SELECT t.pk FROM unnest($1::bigint[], $2::text[]) AS t (pk, at)
        WHERE EXISTS (
            SELECT FROM jobs.v_job_attempt AS a
            WHERE a.pk_job_run = t.pk AND a.event = 'claimed' AND a.at > t.at::timestamptz
                AND NOT EXISTS (
                    SELECT FROM jobs.v_job_attempt AS r
                    -- A claim's time is that of its beginning: while it looked, somebody may have retried the job.
                    WHERE r.pk_job_run = t.pk AND r.event = 'retried'
                        AND r.at BETWEEN t.at::timestamptz AND a.at + interval '1 second'))",
    )
    .bind(pks)
    .bind(at)
    .fetch_all(&mut *connection)
    .await?;
    ensure!(lost.is_empty(), "jobs {lost:?} began again after their cancel was promised, and nobody retried them");

    let lost: Vec<i64> = sqlx::query_scalar(
        "SELECT t.pk FROM unnest($1::bigint[]) AS t (pk)
        WHERE NOT EXISTS (
            SELECT FROM jobs.v_job_attempt AS a WHERE a.pk_job_run = t.pk AND a.event = 'cancelled')",
    )
    .bind(&told.cancelled)
    .fetch_all(&mut *connection)
    .await?;
    ensure!(lost.is_empty(), "of the cancel of jobs {lost:?} nothing is on record");

    let (pks, seen): (Vec<i64>, Vec<&str>) = told.repeats.iter().map(|(pk, seen)| (*pk, seen.as_str())).unzip();
    let lost: Vec<i64> = sqlx::query_scalar(
        "SELECT t.pk FROM unnest($1::bigint[], $2::text[]) AS t (pk, seen)
        JOIN jobs.tb_job_outcome AS o ON o.pk_job_run = t.pk
        JOIN jobs.tb_job_run AS j ON j.pk_job_run = t.pk
        WHERE NOT EXISTS (
                SELECT FROM shop.tb_seen AS f
                WHERE f.pk = t.pk AND f.what = 'finished' AND NOT pg_visible_in_snapshot(f.xid, t.seen::pg_snapshot))
            AND CASE o.status WHEN 'completed' THEN j.unique_rule <> 'once' ELSE o.effect_possible IS NOT DISTINCT FROM false END",
    )
    .bind(pks)
    .bind(seen)
    .fetch_all(&mut *connection)
    .await?;
    ensure!(
        lost.is_empty(),
        "calls were taken for repetitions of jobs {lost:?}, which had ended and had freed their keys"
    );
    Ok(())
}
