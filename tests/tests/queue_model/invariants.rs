//! What must hold whatever the model believes: read from the tables and the audit trail alone, when nothing is left to do.

/// The failure classes after which nothing can have happened, as a list of SQL literals.
macro_rules! harmless {
    () => {
        "('policy_denied', 'invalid_input', 'not_started', 'permanent_reported', 'breaker_open', 'rate_limited', 'no_capacity')"
    };
}

/// Whatever the interleaving: a sentence, and the query of the jobs (above `$1`) for which it is untrue.
pub(crate) const INVARIANTS: &[(&str, &str)] = &[
    (
        "no job is lost: each has one outcome",
        "SELECT j.pk_job_run FROM jobs.tb_job_run AS j
        WHERE j.pk_job_run > $1
            AND (SELECT count(*) FROM jobs.tb_job_outcome AS o WHERE o.pk_job_run = j.pk_job_run) <> 1",
    ),
    (
        "nothing is left over: no job waits or runs, and only callbacks that were given up are kept",
        "SELECT r.pk_job_run FROM jobs.tb_job_ready AS r
        UNION ALL SELECT s.pk_job_run FROM jobs.tb_job_scheduled AS s
        UNION ALL SELECT l.pk_job_run FROM jobs.tb_job_lease AS l
        UNION ALL SELECT c.pk_job_run FROM jobs.tb_job_callback AS c
        WHERE NOT EXISTS (
            SELECT FROM jobs.tb_job_outcome AS o
            WHERE o.pk_job_run = c.pk_job_run AND o.failure_class = 'callback_failed' AND c.run_at IS NULL)
        UNION ALL SELECT k.pk_job_run FROM jobs.tb_job_key AS k
        WHERE NOT EXISTS (SELECT FROM jobs.tb_job_run AS j WHERE j.pk_job_run = k.pk_job_run) AND $1 >= 0",
    ),
    (
        "a success is recorded by the worker and the epoch of the last claim, and once",
        "SELECT o.pk_job_run FROM jobs.tb_job_outcome AS o
        WHERE o.pk_job_run > $1 AND o.status = 'completed'
            AND (SELECT array_agg((f.epoch, f.worker)) FROM jobs.v_job_attempt AS f
                WHERE f.pk_job_run = o.pk_job_run AND f.event = 'finished' AND f.failure_class IS NULL)
            IS DISTINCT FROM (SELECT ARRAY[(c.epoch, c.worker)] FROM jobs.v_job_attempt AS c
                WHERE c.pk_job_run = o.pk_job_run AND c.event = 'claimed' ORDER BY c.epoch DESC LIMIT 1)",
    ),
    (
        "the output is that of the claim that succeeded",
        "SELECT o.pk_job_run FROM jobs.tb_job_outcome AS o
        WHERE o.pk_job_run > $1 AND o.status = 'completed' AND (o.output_data ->> 'epoch')::integer <> o.epoch",
    ),
    (
        "no epoch is given to two claims",
        "SELECT a.pk_job_run FROM jobs.v_job_attempt AS a
        WHERE a.pk_job_run > $1 AND a.event = 'claimed'
        GROUP BY a.pk_job_run, a.epoch HAVING count(*) > 1",
    ),
    (
        "the effect of on_success is there exactly once for a completed job, and never for another",
        "SELECT j.pk_job_run FROM jobs.tb_job_run AS j JOIN jobs.tb_job_outcome AS o USING (pk_job_run)
        WHERE j.pk_job_run > $1
            AND (SELECT count(*) FROM shop.tb_effect AS e WHERE e.pk_job_run = j.pk_job_run AND e.kind = 'success')
            <> (j.on_success IS NOT NULL AND o.status = 'completed')::integer",
    ),
    (
        "the effect of on_failure is there no more often than the job failed",
        "SELECT j.pk_job_run FROM jobs.tb_job_run AS j
        WHERE j.pk_job_run > $1
            AND (SELECT count(*) FROM shop.tb_effect AS e WHERE e.pk_job_run = j.pk_job_run AND e.kind = 'failure')
            > (SELECT count(*) FROM jobs.v_job_attempt AS a WHERE a.pk_job_run = j.pk_job_run AND a.event = 'retried')
                + (SELECT count(*) FROM jobs.tb_job_outcome AS o
                    WHERE o.pk_job_run = j.pk_job_run AND o.status = 'failed' AND o.failure_class <> 'callback_failed')",
    ),
    (
        "a call that may not be repeated is not made again after its worker was lost, unless somebody asked for it",
        "SELECT a.pk_job_run FROM jobs.v_job_attempt AS a
        JOIN jobs.v_job_run AS j ON j.pk_job_run = a.pk_job_run AND j.operation = 'transfer'
        WHERE a.pk_job_run > $1 AND a.event = 'lost'
            AND (SELECT n.event FROM jobs.v_job_attempt AS n
                WHERE n.pk_job_run = a.pk_job_run AND n.at > a.at AND n.event IN ('claimed', 'retried')
                ORDER BY n.at LIMIT 1) = 'claimed'",
    ),
    (
        "a job that saw three workers die is not given to a fourth, unless somebody asked for it",
        "SELECT a.pk_job_run FROM (
            SELECT e.pk_job_run, count(*) FILTER (WHERE e.event = 'lost') AS crashes FROM (
                SELECT t.pk_job_run, t.event, count(*) FILTER (WHERE t.event = 'retried') OVER (
                    PARTITION BY t.pk_job_run ORDER BY t.at) AS life
                FROM jobs.v_job_attempt AS t WHERE t.pk_job_run > $1) AS e
            GROUP BY e.pk_job_run, e.life) AS a
        WHERE a.crashes > 3",
    ),
];

/// What must hold of the keys besides, where no key has a job that waits for another of it.
pub(crate) const KEYS_OF_ONE: &[(&str, &str)] = &[
    (
        "a key is given back after a failure only where nothing can have happened, and after a success only in_flight",
        concat!(
            "SELECT j.pk_job_run FROM jobs.tb_job_run AS j JOIN jobs.tb_job_outcome AS o USING (pk_job_run)
            WHERE j.pk_job_run > $1
                AND EXISTS (SELECT FROM jobs.tb_job_key AS k WHERE k.pk_job_run = j.pk_job_run)
                <> CASE WHEN coalesce(j.unique_rule, 'never') = 'never' THEN false
                    WHEN o.status = 'completed' THEN j.unique_rule = 'once'
                    -- jobs.retry repeats the callback; until then nobody else may begin anew.
                    WHEN o.failure_class = 'callback_failed' THEN true
                    ELSE EXISTS (
                        SELECT FROM jobs.v_job_attempt AS e
                        JOIN jobs.v_job_attempt AS c ON c.pk_job_run = e.pk_job_run AND c.epoch = e.epoch AND c.event = 'claimed'
                        WHERE e.pk_job_run = j.pk_job_run
                            AND (e.event = 'lost'
                                OR e.event IN ('finished', 'refused') AND (
                                    e.failure_class IN ('ambiguous', 'effect_result_lost', 'timeout', 'killed_external')
                                    OR CASE e.message
                                        WHEN 'nothing happened' THEN false
                                        WHEN 'something may have happened' THEN true
                                        ELSE e.attempt = c.attempt
                                            AND (e.failure_class IS NULL OR e.failure_class NOT IN ",
            harmless!(),
            ") END))) END"
        ),
    ),
];

/// What must hold of the keys besides, where jobs of one key wait for each other and anybody may be in between.
pub(crate) const KEYS_IN_TURN: &[(&str, &str)] = &[
    (
        "jobs of one key never run at the same time, their callbacks included",
        "WITH run AS (
            SELECT s.pk, s.snapshot AS began_in, j.operation_code, coalesce(j.idempotency_key, j.identifier) AS name,
                (SELECT e.xid FROM shop.tb_seen AS e
                WHERE e.pk = s.pk AND e.epoch = s.epoch AND e.what = CASE
                    WHEN EXISTS (SELECT FROM shop.tb_seen AS c WHERE c.pk = s.pk AND c.epoch = s.epoch AND c.what = 'called')
                        THEN 'finished' ELSE 'unleased' END
                ORDER BY e.xid LIMIT 1) AS ended_by
            FROM shop.tb_seen AS s
            JOIN jobs.tb_job_run AS j ON j.pk_job_run = s.pk
            WHERE s.pk > $1 AND s.what = 'leased' AND coalesce(j.unique_rule, 'never') <> 'never')
        SELECT a.pk FROM run AS a
        JOIN run AS b ON b.operation_code = a.operation_code AND b.name = a.name AND b.pk > a.pk
        WHERE NOT coalesce(pg_visible_in_snapshot(a.ended_by, b.began_in), false)
            AND NOT coalesce(pg_visible_in_snapshot(b.ended_by, a.began_in), false)",
    ),
    (
        "a job that was neither cancelled nor superseded ran",
        "SELECT o.pk_job_run FROM jobs.tb_job_outcome AS o
        WHERE o.pk_job_run > $1 AND o.status <> 'cancelled'
            AND NOT EXISTS (SELECT FROM shop.tb_seen AS s WHERE s.pk = o.pk_job_run AND s.what = 'leased')",
    ),
    (
        "a key is held while each of its calls may have happened and none is known to have been harmless",
        "SELECT min(j.pk_job_run) FROM jobs.tb_job_run AS j JOIN jobs.tb_job_outcome AS o USING (pk_job_run)
        WHERE j.pk_job_run > $1 AND coalesce(j.unique_rule, 'never') <> 'never'
        GROUP BY j.operation_code, coalesce(j.idempotency_key, j.identifier)
        HAVING bool_and(CASE o.status WHEN 'completed' THEN j.unique_rule = 'once'
                ELSE o.effect_possible IS DISTINCT FROM false END)
            AND NOT EXISTS (SELECT FROM jobs.tb_job_key AS k WHERE k.pk_job_run = ANY (array_agg(j.pk_job_run)))",
    ),
];
