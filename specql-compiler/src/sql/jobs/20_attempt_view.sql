-- object: view jobs.v_job_attempt
-- drop: DROP VIEW jobs.v_job_attempt
-- What happened to jobs, event by event; see jobs.tb_job_attempt for where each is kept. Every arm is a plain table,
-- without conditions and with columns of exactly these types: the planner then finds one job's events in each by key.
CREATE VIEW jobs.v_job_attempt WITH (security_invoker = true) AS
SELECT j.id, e.pk_job_run, e.epoch, e.attempt, e.event, e.at,
    coalesce(e.worker, (SELECT w.id FROM jobs.tb_worker_code AS w WHERE w.code = e.worker_code)) AS worker, e.failure_class, e.message, e.resource_usage
FROM (
    SELECT a.pk_job_run, a.epoch, a.attempt, a.event, a.at, a.worker, NULL::integer AS worker_code, a.failure_class, a.message, a.resource_usage
    FROM jobs.tb_job_attempt AS a
    UNION ALL
    SELECT a.pk_job_run, a.epoch, a.attempt + (NOT a.counted)::integer, 'claimed'::text, a.claimed_at, a.worker, NULL::integer,
        NULL::text, NULL::text, NULL::jsonb
    FROM jobs.tb_job_attempt AS a
    UNION ALL
    SELECT l.pk_job_run, l.epoch, l.attempt, 'claimed'::text, l.claimed_at, l.worker, l.worker_code,
        NULL::text, NULL::text, NULL::jsonb
    FROM jobs.tb_job_lease AS l
    UNION ALL
    SELECT o.pk_job_run, o.epoch, o.attempts, 'claimed'::text,
        CASE WHEN o.worker_code IS NOT NULL OR o.worker IS NOT NULL THEN o.started_at END, o.worker, o.worker_code, NULL::text, NULL::text, NULL::jsonb
    FROM jobs.tb_job_outcome AS o
    UNION ALL
    SELECT o.pk_job_run, o.epoch, o.attempts, 'finished'::text,
        CASE WHEN o.worker_code IS NOT NULL OR o.worker IS NOT NULL THEN o.completed_at END, o.worker, o.worker_code, NULL::text, NULL::text, o.resource_usage
    FROM jobs.tb_job_outcome AS o) AS e
JOIN jobs.tb_job_run AS j ON j.pk_job_run = e.pk_job_run
WHERE e.at IS NOT NULL
    AND (coalesce(current_setting('app.tenant_id', true), '') = ''
        OR j.tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
COMMENT ON VIEW jobs.v_job_attempt IS
    'What happened to jobs, event by event. "finished" without a failure class is a call that succeeded.';
