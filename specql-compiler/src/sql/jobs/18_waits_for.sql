-- object: function jobs.held_by(integer, uuid)
-- drop: DROP FUNCTION jobs.held_by(integer, uuid)
-- What keeps a ready job of an operation and a tenant from being claimed, as far as is known; NULL: nothing but its turn. First
-- what a person must end. A function, and one of its owner: who reads a job need not see all pauses and workers, and only a
-- row that is shown pays for it.
CREATE OR REPLACE FUNCTION jobs.held_by(_operation_code integer, _tenant_id uuid) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _now timestamptz := clock_timestamp();
    _operation jobs.tb_operation;
BEGIN
    SELECT o.* INTO _operation FROM jobs.tb_operation AS o WHERE o.code = _operation_code;
    RETURN CASE
        WHEN EXISTS (
            SELECT FROM jobs.tb_pause AS p
            WHERE (p.service_name IS NULL OR p.service_name = _operation.service_name)
                AND (p.operation IS NULL OR p.operation = _operation.operation)
                AND (p.execution_type IS NULL OR p.execution_type = _operation.execution_type)
                AND (p.tenant_id IS NULL OR p.tenant_id = _tenant_id))
            THEN 'pause'
        -- Before `worker`: nobody claims what no worker is ready for.
        WHEN EXISTS (SELECT FROM jobs.v_not_ready AS n WHERE n.operation_code = _operation_code) THEN 'not_ready'
        -- One that has just started may not have claimed yet.
        WHEN NOT EXISTS (
            SELECT FROM jobs.tb_worker AS w
            WHERE w.heartbeat_at > _now - interval '10 seconds'
                AND (_operation_code = ANY (w.operations)
                    OR w.operations IS NULL AND w.started_at > _now - interval '10 seconds'))
            THEN 'worker'
        WHEN _operation.has_breaker AND NOT _operation.has_fallback AND EXISTS (
            SELECT FROM jobs.tb_circuit_breaker AS b WHERE b.operation_code = _operation_code AND b.state <> 'closed')
            THEN 'breaker'
        WHEN EXISTS (
            SELECT FROM jobs.tb_limit AS l
            WHERE l.code = _operation.limit_code
                AND (l.concurrency <= (SELECT sum(s.slots) FROM jobs.tb_limit_share AS s WHERE s.limit_code = l.code)
                    OR l.rate_starts IS NOT NULL AND jobs.starts_free(l, _now) = 0))
            THEN 'limit'
    END;
END
$$;
COMMENT ON FUNCTION jobs.held_by(integer, uuid) IS 'What holds ready jobs back: pause, not_ready, worker, breaker or limit.';
