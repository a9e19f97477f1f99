-- object: function jobs.register_operations(jsonb)
-- drop: DROP FUNCTION jobs.register_operations(jsonb)
-- Makes the operations of a binary's registry known, and returns their codes. Each element has service, operation,
-- execution_type, timeout_seconds, max_attempts, unique, idempotent, breaker, fallback, environment, policy_hash,
-- hashes_schemas (the policy's hash covers the schemas), runner_config, security_context and give_up_seconds, and of its service
-- concurrency, rate_starts and rate_period_ms. New operations are there at once. What is known already changes only where
-- no live worker runs a newer registry: jobs.apply_registries. limit_code is that of the service, whether or not a limit
-- is in force now; registry is the code under which jobs.register_worker takes this registry.
CREATE OR REPLACE FUNCTION jobs.register_operations(_operations jsonb)
RETURNS TABLE (code integer, service_name text, operation text, limit_code integer, registry integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    _registry integer;
BEGIN
    PERFORM jobs.lock_registries();
    _registry := jobs.record_registry(_operations);
    -- Binaries from before this do not tell jobs.register_worker, which they call next over the same connection.
    PERFORM set_config('specql.registry', _registry::text, false);

    INSERT INTO jobs.tb_limit (service_name, concurrency, rate_starts, rate_period_ms)
    SELECT DISTINCT ON (g.service_name) g.service_name, g.concurrency, g.rate_starts, g.rate_period_ms
    FROM jobs.read_registry(_operations) AS g
    WHERE (g.concurrency IS NOT NULL OR g.rate_starts IS NOT NULL)
        -- A code that is drawn and not used is gone.
        AND NOT EXISTS (SELECT FROM jobs.tb_limit AS l WHERE l.service_name = g.service_name)
    ORDER BY g.service_name
    ON CONFLICT (service_name) DO NOTHING;
    INSERT INTO jobs.tb_operation (service_name, operation, execution_type, timeout_seconds, max_attempts, unique_rule,
        idempotent, policy_hash, has_breaker, has_fallback, limit_code, give_up_seconds)
    SELECT g.service_name, g.operation, g.execution_type, g.timeout_seconds, g.max_attempts, g.unique_rule, g.idempotent,
        g.policy_hash, g.has_breaker, g.has_fallback, l.code, g.give_up_seconds
    FROM jobs.read_registry(_operations) AS g
    LEFT JOIN jobs.tb_limit AS l ON l.service_name = g.service_name
        AND (g.concurrency IS NOT NULL OR g.rate_starts IS NOT NULL)
    WHERE NOT EXISTS (
        SELECT FROM jobs.tb_operation AS o WHERE o.service_name = g.service_name AND o.operation = g.operation)
    ORDER BY g.service_name, g.operation
    ON CONFLICT (service_name, operation) DO NOTHING;
    INSERT INTO jobs.tb_policy_code (policy_hash)
    SELECT h.policy_hash
    FROM (
        SELECT g.policy_hash FROM jobs.read_registry(_operations) AS g
        UNION
        SELECT o.policy_hash FROM jobs.tb_operation AS o) AS h
    WHERE h.policy_hash IS NOT NULL
        AND NOT EXISTS (SELECT FROM jobs.tb_policy_code AS p WHERE p.policy_hash = h.policy_hash)
    ORDER BY h.policy_hash
    ON CONFLICT (policy_hash) DO NOTHING;
    PERFORM jobs.apply_registries(_registry);

    INSERT INTO jobs.tb_operation_policy (operation_code, environment, policy_hash, runner_config, security_context)
    SELECT o.code, coalesce(g.environment, ''), g.policy_hash, g.runner_config, g.security_context
    FROM jsonb_to_recordset(_operations) AS g (service text, operation text, environment text, policy_hash text,
        runner_config jsonb, security_context jsonb)
    JOIN jobs.tb_operation AS o ON o.service_name = g.service AND o.operation = g.operation
    WHERE g.policy_hash IS NOT NULL
    ORDER BY o.code
    ON CONFLICT (operation_code, policy_hash, environment) DO NOTHING;

    RETURN QUERY
    SELECT o.code, o.service_name, o.operation, l.code, _registry
    FROM jobs.read_registry(_operations) AS g
    JOIN jobs.tb_operation AS o ON o.service_name = g.service_name AND o.operation = g.operation
    LEFT JOIN jobs.tb_limit AS l ON l.service_name = g.service_name
    ORDER BY o.code;
END
$$;

-- object: function jobs.operations()
-- drop: DROP FUNCTION jobs.operations()
-- What the migrations' registry says of each operation, for workers that have no registry of their own: by which code they
-- claim it, and whether an attempt of unknown outcome may be repeated.
CREATE OR REPLACE FUNCTION jobs.operations()
RETURNS TABLE (code integer, service_name text, operation text, timeout_seconds integer, max_attempts integer,
    idempotent boolean, limit_code integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT o.code, o.service_name, o.operation, o.timeout_seconds, o.max_attempts, o.idempotent, o.limit_code
    FROM jobs.tb_operation AS o
$$;
COMMENT ON FUNCTION jobs.operations() IS 'Operations as the database knows them, for workers in other languages.';
