-- object: function jobs.register_operations(jsonb)
-- drop: DROP FUNCTION jobs.register_operations(jsonb)
-- Makes the operations of a binary's registry known, and returns their codes. Each element has service, operation,
-- execution_type, timeout_seconds, max_attempts, unique, idempotent, environment, policy_hash, runner_config and
-- security_context. Rows that are as they should be are not written again.
CREATE OR REPLACE FUNCTION jobs.register_operations(_operations jsonb)
RETURNS TABLE (code integer, service_name text, operation text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    -- In the order of names, so that two workers that start together do not deadlock.
    INSERT INTO jobs.tb_operation AS o (
        service_name, operation, execution_type, timeout_seconds, max_attempts, unique_rule, idempotent, policy_hash)
    SELECT g.service, g.operation, coalesce(g.execution_type, 'http'), g.timeout_seconds, g.max_attempts,
        coalesce(g."unique", 'in_flight'), coalesce(g.idempotent, false), g.policy_hash
    FROM jsonb_to_recordset(_operations) AS g (service text, operation text, execution_type text,
        timeout_seconds integer, max_attempts integer, "unique" text, idempotent boolean, policy_hash text)
    ORDER BY g.service, g.operation
    ON CONFLICT (service_name, operation) DO UPDATE
    SET execution_type = excluded.execution_type, timeout_seconds = excluded.timeout_seconds,
        max_attempts = excluded.max_attempts, unique_rule = excluded.unique_rule, idempotent = excluded.idempotent,
        policy_hash = excluded.policy_hash, registered_at = now()
    WHERE (o.execution_type, o.timeout_seconds, o.max_attempts, o.unique_rule, o.idempotent, o.policy_hash)
        IS DISTINCT FROM (excluded.execution_type, excluded.timeout_seconds, excluded.max_attempts,
            excluded.unique_rule, excluded.idempotent, excluded.policy_hash);

    INSERT INTO jobs.tb_operation_policy (operation_code, environment, policy_hash, runner_config, security_context)
    SELECT o.code, coalesce(g.environment, ''), g.policy_hash, g.runner_config, g.security_context
    FROM jsonb_to_recordset(_operations) AS g (service text, operation text, environment text, policy_hash text,
        runner_config jsonb, security_context jsonb)
    JOIN jobs.tb_operation AS o ON o.service_name = g.service AND o.operation = g.operation
    WHERE g.policy_hash IS NOT NULL
    ORDER BY o.code
    ON CONFLICT (operation_code, policy_hash, environment) DO NOTHING;

    RETURN QUERY
    SELECT o.code, o.service_name, o.operation
    FROM jsonb_to_recordset(_operations) AS g (service text, operation text)
    JOIN jobs.tb_operation AS o ON o.service_name = g.service AND o.operation = g.operation
    ORDER BY o.code;
END
$$;
