-- object: view jobs.v_dead_letter
-- drop: DROP VIEW jobs.v_dead_letter
CREATE VIEW jobs.v_dead_letter WITH (security_invoker = true) AS
SELECT
    j.id,
    coalesce(op.service_name, j.service_name) AS service_name,
    coalesce(op.operation, j.operation) AS operation,
    o.failure_class,
    o.error_message,
    o.attempts,
    j.identifier,
    j.idempotency_key,
    -- While the key is held a new job with the same name returns this one: the way on is jobs.retry.
    EXISTS (SELECT FROM jobs.tb_job_key AS k WHERE k.pk_job_run = j.pk_job_run) AS key_held,
    j.tenant_id,
    j.correlation_id,
    j.entity_type,
    j.entity_pk,
    j.input_data,
    coalesce(j.created_at, jobs.time_of(j.id)) AS created_at,
    o.completed_at AS failed_at
FROM jobs.tb_job_outcome AS o
JOIN jobs.tb_job_run AS j ON j.pk_job_run = o.pk_job_run
LEFT JOIN jobs.tb_operation AS op ON op.code = j.operation_code
WHERE o.status = 'failed'
    AND (coalesce(current_setting('app.tenant_id', true), '') = ''
        OR j.tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
COMMENT ON VIEW jobs.v_dead_letter IS 'Failed jobs. jobs.retry(id) queues one again.';

-- object: view jobs.v_correlation
-- drop: DROP VIEW jobs.v_correlation
CREATE VIEW jobs.v_correlation WITH (security_invoker = true) AS
SELECT
    j.correlation_id,
    e.at,
    j.id,
    coalesce(op.service_name, j.service_name) AS service_name,
    coalesce(op.operation, j.operation) AS operation,
    e.event,
    e.attempt,
    e.failure_class,
    e.message
FROM jobs.tb_job_run AS j
LEFT JOIN jobs.tb_operation AS op ON op.code = j.operation_code
CROSS JOIN LATERAL (
    SELECT coalesce(j.created_at, jobs.time_of(j.id)) AS at, 'queued' AS event, 0 AS attempt, NULL AS failure_class, NULL AS message
    UNION ALL
    SELECT a.at, a.event, a.attempt, a.failure_class, a.message
    FROM jobs.v_job_attempt AS a
    WHERE a.pk_job_run = j.pk_job_run) AS e
WHERE j.correlation_id IS NOT NULL
    AND (coalesce(current_setting('app.tenant_id', true), '') = ''
        OR j.tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
ORDER BY j.correlation_id, e.at, j.pk_job_run;
COMMENT ON VIEW jobs.v_correlation IS 'The jobs of one correlation_id as a timeline of events.';

-- object: view jobs.v_tenant_usage
-- drop: DROP VIEW jobs.v_tenant_usage
CREATE VIEW jobs.v_tenant_usage WITH (security_invoker = true) AS
SELECT
    j.tenant_id,
    o.completed_at::date AS day,
    coalesce(op.service_name, j.service_name) AS service_name,
    coalesce(op.operation, j.operation) AS operation,
    count(*) AS total_jobs,
    count(*) FILTER (WHERE o.status = 'completed') AS completed_jobs,
    count(*) FILTER (WHERE o.status = 'failed') AS failed_jobs,
    sum(o.attempts) AS calls,
    sum(jobs.usage_figure(o.resource_usage, 'duration_seconds')) AS duration_seconds,
    sum(jobs.usage_figure(o.resource_usage, 'cost_micros')) AS cost_micros
FROM jobs.tb_job_outcome AS o
JOIN jobs.tb_job_run AS j ON j.pk_job_run = o.pk_job_run
LEFT JOIN jobs.tb_operation AS op ON op.code = j.operation_code
WHERE coalesce(current_setting('app.tenant_id', true), '') = ''
    OR j.tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid
GROUP BY j.tenant_id, o.completed_at::date, 3, 4;
COMMENT ON VIEW jobs.v_tenant_usage IS 'Finished jobs by tenant and day; usage is that of the last call of each.';

-- object: view jobs.v_queue_depth
-- drop: DROP VIEW jobs.v_queue_depth
CREATE VIEW jobs.v_queue_depth WITH (security_invoker = true) AS
SELECT
    o.service_name,
    o.operation,
    coalesce(ready.jobs, 0) AS ready,
    coalesce(scheduled.jobs, 0) AS scheduled,
    coalesce(running.jobs, 0) AS running,
    extract(epoch FROM now() - coalesce(oldest.created_at, jobs.time_of(oldest.id)))::numeric(12, 2) AS oldest_ready_seconds
FROM jobs.tb_operation AS o
LEFT JOIN (
    SELECT r.operation_code, count(*) AS jobs, min(r.pk_job_run) AS oldest
    FROM jobs.tb_job_ready AS r GROUP BY r.operation_code) AS ready ON ready.operation_code = o.code
LEFT JOIN (
    SELECT s.operation_code, count(*) AS jobs
    FROM jobs.tb_job_scheduled AS s GROUP BY s.operation_code) AS scheduled ON scheduled.operation_code = o.code
LEFT JOIN (
    SELECT l.operation_code, count(*) AS jobs
    FROM jobs.tb_job_lease AS l GROUP BY l.operation_code) AS running ON running.operation_code = o.code
LEFT JOIN jobs.tb_job_run AS oldest ON oldest.pk_job_run = ready.oldest;
COMMENT ON VIEW jobs.v_queue_depth IS 'Unfinished jobs by operation.';

-- object: view jobs.v_worker
-- drop: DROP VIEW jobs.v_worker
CREATE VIEW jobs.v_worker WITH (security_invoker = true) AS
SELECT
    w.id,
    w.name,
    w.version,
    w.capabilities,
    w.started_at,
    w.heartbeat_at,
    w.heartbeat_at > now() - interval '10 seconds' AS alive,
    (SELECT count(*) FROM jobs.tb_job_lease AS l WHERE l.worker_code = n.code) AS running
FROM jobs.tb_worker AS w
LEFT JOIN jobs.tb_worker_code AS n ON n.id = w.id;
COMMENT ON VIEW jobs.v_worker IS 'Worker processes that reported lately.';
