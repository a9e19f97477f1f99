-- object: function jobs.usage_figure(jsonb, text)
-- drop: DROP FUNCTION jobs.usage_figure(jsonb, text)
-- A figure of a resource_usage; NULL where it is absent or no number, for what a runner reports must not break a view.
CREATE OR REPLACE FUNCTION jobs.usage_figure(_usage jsonb, _key text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN pg_catalog.jsonb_typeof(_usage -> _key) = 'number' THEN (_usage ->> _key)::numeric END
$$;

-- object: view jobs.v_job_run
-- drop: DROP VIEW jobs.v_job_run
-- A job and where it stands, in one row. Who acts for a tenant, the owner too, sees that tenant's jobs alone.
CREATE VIEW jobs.v_job_run WITH (security_invoker = true) AS
SELECT
    j.id,
    j.identifier,
    j.idempotency_key,
    coalesce(o.service_name, j.service_name) AS service_name,
    coalesce(o.operation, j.operation) AS operation,
    coalesce(o.execution_type, j.execution_type) AS execution_type,
    coalesce(j.runner_config, policy.runner_config) AS runner_config,
    coalesce(outcome.resource_usage, callback.resource_usage) AS resource_usage,
    coalesce(j.security_context, policy.security_context) AS security_context,
    j.input_data,
    outcome.output_data,
    coalesce(outcome.error_message, callback.last_error) AS error_message,
    CASE
        WHEN outcome.status IS NOT NULL THEN outcome.status
        WHEN lease.epoch IS NOT NULL OR callback.epoch IS NOT NULL THEN 'running'
        ELSE 'pending'
    END AS status,
    coalesce(outcome.attempts, callback.attempts, lease.attempt, ready.attempts, scheduled.attempts, 0) AS attempts,
    coalesce(j.max_attempts, o.max_attempts) AS max_attempts,
    coalesce(j.timeout_seconds, o.timeout_seconds) AS timeout_seconds,
    j.tenant_id,
    j.triggered_by,
    j.correlation_id,
    j.entity_type,
    j.entity_pk,
    coalesce(j.created_at, jobs.time_of(j.id)) AS created_at,
    coalesce(outcome.started_at, callback.started_at, lease.claimed_at) AS started_at,
    outcome.completed_at,
    coalesce(outcome.completed_at, lease.claimed_at, j.created_at, jobs.time_of(j.id)) AS updated_at,
    -- What the first release of this table did not have.
    outcome.failure_class,
    j.priority,
    coalesce(nullif(scheduled.run_at, 'infinity'), callback.run_at, j.run_at) AS run_at,
    coalesce(lease.cancel_requested, false) AS cancel_requested,
    (SELECT w.id FROM jobs.tb_worker_code AS w WHERE w.code = lease.worker_code) AS worker,
    coalesce(lease.deadline_at, lease.claimed_at + make_interval(secs => coalesce(j.timeout_seconds, o.timeout_seconds)))
        AS deadline_at,
    coalesce(j.policy_hash, named.policy_hash) AS policy_hash,
    j.trace_context,
    j.pk_job_run,
    -- Why it has not ended, where it does not run: NULL where nothing is known but that its turn has not come.
    CASE
        WHEN outcome.status IS NOT NULL THEN NULL
        WHEN callback.epoch IS NOT NULL THEN 'callback'
        WHEN lease.epoch IS NOT NULL THEN NULL
        WHEN scheduled.run_at = 'infinity' THEN 'earlier'
        WHEN scheduled.operation_code IS NOT NULL THEN 'schedule'
        WHEN ready.operation_code IS NOT NULL THEN jobs.held_by(ready.operation_code, j.tenant_id)
    END AS waits_for
FROM jobs.tb_job_run AS j
LEFT JOIN jobs.tb_operation AS o ON o.code = j.operation_code
LEFT JOIN jobs.tb_policy_code AS named ON named.code = j.policy_code
LEFT JOIN jobs.tb_job_outcome AS outcome ON outcome.pk_job_run = j.pk_job_run
LEFT JOIN jobs.tb_job_lease AS lease ON lease.pk_job_run = j.pk_job_run
LEFT JOIN jobs.tb_job_callback AS callback ON callback.pk_job_run = j.pk_job_run
LEFT JOIN jobs.tb_job_ready AS ready
    ON ready.lane = ANY (ARRAY[jobs.lane(false, o.code, jobs.tenant_lane(j.tenant_id)), jobs.lane(true, o.code, jobs.tenant_lane(j.tenant_id))])
    AND ready.rank = -j.priority AND ready.pk_job_run = j.pk_job_run
LEFT JOIN jobs.tb_job_scheduled AS scheduled ON scheduled.pk_job_run = j.pk_job_run
LEFT JOIN LATERAL (
    -- Environments that share a policy share its hash, and then its text.
    SELECT p.runner_config, p.security_context
    FROM jobs.tb_operation_policy AS p
    WHERE p.operation_code = o.code AND p.policy_hash = coalesce(j.policy_hash, named.policy_hash)
    LIMIT 1) AS policy ON true
WHERE coalesce(current_setting('app.tenant_id', true), '') = ''
    OR j.tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid;
COMMENT ON VIEW jobs.v_job_run IS 'Jobs: pending, running, completed, failed or cancelled.';

-- object: view jobs.v_job_stats
-- drop: DROP VIEW jobs.v_job_stats
CREATE VIEW jobs.v_job_stats WITH (security_invoker = true) AS
SELECT
    j.service_name,
    j.operation,
    j.status,
    count(*) AS total_jobs,
    avg(extract(epoch FROM j.completed_at - j.started_at))::numeric(10, 2) AS avg_duration_sec,
    (percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM j.completed_at - j.started_at)))::numeric(10, 2)
        AS p95_duration_sec
FROM jobs.v_job_run AS j
WHERE j.started_at IS NOT NULL
GROUP BY j.service_name, j.operation, j.status;
COMMENT ON VIEW jobs.v_job_stats IS 'Jobs that were started, by operation and status.';

-- object: view jobs.v_failing_services
-- drop: DROP VIEW jobs.v_failing_services
CREATE VIEW jobs.v_failing_services WITH (security_invoker = true) AS
SELECT
    op.service_name,
    op.operation,
    count(*) AS failure_count,
    max(o.completed_at) AS last_failure,
    (array_agg(o.error_message ORDER BY o.completed_at DESC) FILTER (WHERE o.error_message IS NOT NULL))[1:10]
        AS recent_errors
FROM jobs.tb_job_outcome AS o
JOIN jobs.tb_job_run AS j ON j.pk_job_run = o.pk_job_run
JOIN jobs.tb_operation AS op ON op.code = j.operation_code
WHERE o.status = 'failed' AND o.completed_at > now() - interval '1 hour'
    AND (coalesce(current_setting('app.tenant_id', true), '') = ''
        OR j.tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
GROUP BY op.service_name, op.operation
HAVING count(*) > 10;
COMMENT ON VIEW jobs.v_failing_services IS 'Operations with more than ten failed jobs in the last hour.';

-- object: view jobs.v_execution_performance_by_type
-- drop: DROP VIEW jobs.v_execution_performance_by_type
CREATE VIEW jobs.v_execution_performance_by_type WITH (security_invoker = true) AS
SELECT
    j.execution_type,
    j.service_name,
    j.operation,
    count(*) AS total_jobs,
    count(*) FILTER (WHERE j.status = 'completed') AS successful_jobs,
    count(*) FILTER (WHERE j.status = 'failed') AS failed_jobs,
    avg(extract(epoch FROM j.completed_at - j.started_at))::numeric(10, 2) AS avg_duration_sec,
    (percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM j.completed_at - j.started_at)))::numeric(10, 2)
        AS p95_duration_sec,
    (percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM j.completed_at - j.started_at)))::numeric(10, 2)
        AS p99_duration_sec
FROM jobs.v_job_run AS j
WHERE j.started_at IS NOT NULL AND j.created_at > now() - interval '7 days'
GROUP BY j.execution_type, j.service_name, j.operation
ORDER BY total_jobs DESC;
COMMENT ON VIEW jobs.v_execution_performance_by_type IS 'Durations by type of runner, over a week.';

-- object: view jobs.v_resource_usage_by_runner
-- drop: DROP VIEW jobs.v_resource_usage_by_runner
-- By source as well, so that figures from unlike meters are never averaged.
CREATE VIEW jobs.v_resource_usage_by_runner WITH (security_invoker = true) AS
SELECT
    j.execution_type,
    j.service_name,
    j.operation,
    count(*) AS total_jobs,
    avg(coalesce(
        100 * jobs.usage_figure(j.resource_usage, 'cpu_seconds')
            / nullif(jobs.usage_figure(j.resource_usage, 'duration_seconds'), 0),
        jobs.usage_figure(j.resource_usage, 'cpu_usage_percent')))::numeric(12, 2) AS avg_cpu_percent,
    avg(jobs.usage_figure(j.resource_usage, 'memory_mb'))::numeric(12, 2) AS avg_memory_mb,
    avg(jobs.usage_figure(j.resource_usage, 'duration_seconds'))::numeric(12, 2) AS avg_duration_sec,
    max(jobs.usage_figure(j.resource_usage, 'peak_memory_mb'))::numeric(12, 2) AS max_memory_mb,
    j.resource_usage ->> 'source' AS source
FROM jobs.v_job_run AS j
WHERE j.resource_usage IS NOT NULL AND j.created_at > now() - interval '24 hours'
GROUP BY j.execution_type, j.service_name, j.operation, j.resource_usage ->> 'source'
ORDER BY avg_memory_mb DESC;
COMMENT ON VIEW jobs.v_resource_usage_by_runner IS 'What jobs used, over a day, by operation and by where the figures are from.';

-- object: view jobs.v_runner_failure_patterns
-- drop: DROP VIEW jobs.v_runner_failure_patterns
CREATE VIEW jobs.v_runner_failure_patterns WITH (security_invoker = true) AS
SELECT
    j.execution_type,
    j.service_name,
    j.operation,
    count(*) AS failure_count,
    array_agg(DISTINCT j.failure_class) AS error_types,
    avg(j.attempts)::numeric(10, 2) AS avg_attempts_before_failure,
    max(j.completed_at) AS last_failure
FROM jobs.v_job_run AS j
WHERE j.status = 'failed' AND j.created_at > now() - interval '24 hours'
GROUP BY j.execution_type, j.service_name, j.operation
ORDER BY failure_count DESC;
COMMENT ON VIEW jobs.v_runner_failure_patterns IS 'How operations fail, over a day.';
