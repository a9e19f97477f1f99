-- object: view jobs.v_limit
-- drop: DROP VIEW jobs.v_limit
CREATE VIEW jobs.v_limit WITH (security_invoker = true) AS
SELECT
    l.service_name,
    l.concurrency,
    l.rate_starts,
    make_interval(secs => l.rate_period_ms / 1000.0) AS rate_period,
    (SELECT count(*)
    FROM jobs.tb_job_lease AS j
    JOIN jobs.tb_operation AS o ON o.code = CASE WHEN j.bound_code > 0 THEN j.bound_code ELSE j.operation_code END
    WHERE o.limit_code = l.code) AS running,
    (SELECT coalesce(sum(s.slots), 0) FROM jobs.tb_limit_share AS s WHERE s.limit_code = l.code) AS slots_held,
    (SELECT count(*) FROM jobs.tb_limit_share AS s WHERE s.limit_code = l.code) AS workers
FROM jobs.tb_limit AS l
-- Services that no longer have a limit keep their row, and nothing goes by it.
WHERE EXISTS (SELECT FROM jobs.tb_operation AS o WHERE o.limit_code = l.code);
COMMENT ON VIEW jobs.v_limit IS 'Limits of services and what is used of them now.';

-- object: view jobs.v_circuit_breaker
-- drop: DROP VIEW jobs.v_circuit_breaker
CREATE VIEW jobs.v_circuit_breaker WITH (security_invoker = true) AS
SELECT
    o.service_name,
    o.operation,
    b.state,
    b.open_until,
    make_interval(secs => b.open_for_ms / 1000.0) AS open_for,
    b.opened_count,
    b.reason,
    b.changed_at
FROM jobs.tb_circuit_breaker AS b
JOIN jobs.tb_operation AS o ON o.code = b.operation_code;
COMMENT ON VIEW jobs.v_circuit_breaker IS 'Circuit breakers that were ever opened: closed, open or half_open.';

-- object: view jobs.v_pause
-- drop: DROP VIEW jobs.v_pause
CREATE VIEW jobs.v_pause WITH (security_invoker = true) AS
SELECT p.service_name, p.operation, p.execution_type, p.tenant_id, p.reason, p.paused_at
FROM jobs.tb_pause AS p;
COMMENT ON VIEW jobs.v_pause IS 'What is paused: jobs that fit all columns that are not NULL wait.';
