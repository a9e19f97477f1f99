-- object: function jobs.mark_job_started(uuid)
-- drop: DROP FUNCTION jobs.mark_job_started(uuid)
-- Starts one job by hand, for scripts that do not speak the batch protocol. There is no heartbeat: the lease holds
-- until the job's own timeout. A job that is not waiting is left alone.
CREATE OR REPLACE FUNCTION jobs.mark_job_started(job_id uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _pk bigint := jobs.pk_of(job_id);
    _now timestamptz := clock_timestamp();
    _nobody integer := jobs.worker_code('00000000-0000-0000-0000-000000000000');
BEGIN
    WITH taken AS (
        DELETE FROM jobs.tb_job_ready AS r USING jobs.tb_job_run AS j
        WHERE j.pk_job_run = _pk AND r.lane = ANY (jobs.lanes_of(j.operation_code, j.tenant_id))
            AND r.rank = -j.priority AND r.pk_job_run = j.pk_job_run
        RETURNING r.lane, r.bound_code, r.rank, r.pk_job_run, r.operation_code, coalesce(r.epoch, 0) + 1 AS epoch,
            coalesce(r.attempts, 0) + 1 AS attempt, r.crashes,
            r.keyed, r.has_on_success, r.has_on_failure, r.effect_possible, r.put_off, r.first_tried_at, j.timeout_seconds)
    INSERT INTO jobs.tb_job_lease (pk_job_run, tenant_lane, bound_code, rank, operation_code, epoch, attempt, crashes, worker_code,
        claimed_at, renewed_at, deadline_at, keyed, has_on_success, has_on_failure, effect_possible, put_off, first_tried_at)
    SELECT t.pk_job_run, t.lane & 8796093022207, -nullif(t.bound_code, 0), t.rank, t.operation_code, t.epoch, t.attempt, t.crashes,
        _nobody, _now, until.deadline, until.deadline,
        t.keyed, t.has_on_success, t.has_on_failure, t.effect_possible, t.put_off, t.first_tried_at
    FROM taken AS t
    JOIN jobs.tb_operation AS o ON o.code = t.operation_code
    CROSS JOIN LATERAL (
        SELECT _now + make_interval(secs => coalesce(t.timeout_seconds, o.timeout_seconds)) AS deadline) AS until;
END
$$;

-- object: function jobs.complete_job_successfully(uuid, jsonb)
-- drop: DROP FUNCTION jobs.complete_job_successfully(uuid, jsonb)
-- Ends a job that jobs.mark_job_started started.
CREATE OR REPLACE FUNCTION jobs.complete_job_successfully(job_id uuid, output jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _pk bigint := jobs.pk_of(job_id);
BEGIN
    PERFORM jobs.complete('00000000-0000-0000-0000-000000000000', ARRAY[l.pk_job_run], ARRAY[l.epoch], ARRAY[output], ARRAY[NULL::jsonb])
    FROM jobs.tb_job_lease AS l
    WHERE l.pk_job_run = _pk AND l.worker_code = jobs.code_of('00000000-0000-0000-0000-000000000000');
END
$$;

-- object: function jobs.fail_job(uuid, text)
-- drop: DROP FUNCTION jobs.fail_job(uuid, text)
-- Ends a job that jobs.mark_job_started started, for good. Nothing is known about how far it came, so its uniqueness
-- key is kept; jobs.retry queues it again.
CREATE OR REPLACE FUNCTION jobs.fail_job(job_id uuid, error_text text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _pk bigint := jobs.pk_of(job_id);
BEGIN
    PERFORM jobs.fail('00000000-0000-0000-0000-000000000000', ARRAY[l.pk_job_run], ARRAY[l.epoch], ARRAY['ambiguous'::text], ARRAY[error_text],
        ARRAY[NULL::bigint], ARRAY[true], ARRAY[NULL::jsonb])
    FROM jobs.tb_job_lease AS l
    WHERE l.pk_job_run = _pk AND l.worker_code = jobs.code_of('00000000-0000-0000-0000-000000000000');
END
$$;
