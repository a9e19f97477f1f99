-- object: function jobs.register_limits(jsonb)
-- drop: DROP FUNCTION jobs.register_limits(jsonb)
-- Takes over the limits of the services in an argument of jobs.register_operations.
CREATE OR REPLACE FUNCTION jobs.register_limits(_operations jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO jobs.tb_limit AS l (service_name, concurrency, rate_starts, rate_period_ms)
    SELECT DISTINCT ON (g.service) g.service, g.concurrency, g.rate_starts, g.rate_period_ms
    FROM jsonb_to_recordset(_operations) AS g (service text, concurrency integer, rate_starts integer, rate_period_ms integer)
    WHERE g.concurrency IS NOT NULL OR g.rate_starts IS NOT NULL
    ORDER BY g.service
    ON CONFLICT (service_name) DO UPDATE
    SET concurrency = excluded.concurrency, rate_starts = excluded.rate_starts, rate_period_ms = excluded.rate_period_ms
    WHERE (l.concurrency, l.rate_starts, l.rate_period_ms)
        IS DISTINCT FROM (excluded.concurrency, excluded.rate_starts, excluded.rate_period_ms);
END
$$;

-- object: function jobs.register_operations(jsonb)
-- drop: DROP FUNCTION jobs.register_operations(jsonb)
-- Makes the operations of a binary's registry known, and returns their codes. Each element has service, operation,
-- execution_type, timeout_seconds, max_attempts, unique, idempotent, breaker, fallback, environment, policy_hash,
-- runner_config, security_context and give_up_seconds, and of its service concurrency, rate_starts and rate_period_ms. Rows that are as
-- they should be are not written again.
CREATE OR REPLACE FUNCTION jobs.register_operations(_operations jsonb)
RETURNS TABLE (code integer, service_name text, operation text, limit_code integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM jobs.register_limits(_operations);
    -- In the order of names, so that two workers that start together do not deadlock. New ones apart from known ones, for
    -- a code that is drawn and not used is gone.
    WITH given AS (
        SELECT g.service, g.operation, coalesce(g.execution_type, 'http') AS execution_type, g.timeout_seconds,
            g.max_attempts, coalesce(g."unique", 'in_flight') AS unique_rule, coalesce(g.idempotent, false) AS idempotent,
            g.policy_hash, coalesce(g.breaker, false) AS has_breaker, coalesce(g.fallback, false) AS has_fallback,
            l.code AS limit_code, coalesce(g.give_up_seconds, 86400) AS give_up_seconds
        FROM jsonb_to_recordset(_operations) AS g (service text, operation text, execution_type text,
            timeout_seconds integer, max_attempts integer, "unique" text, idempotent boolean, policy_hash text,
            breaker boolean, fallback boolean, concurrency integer, rate_starts integer, give_up_seconds integer)
        LEFT JOIN jobs.tb_limit AS l ON l.service_name = g.service
            AND (g.concurrency IS NOT NULL OR g.rate_starts IS NOT NULL)),
    known AS (
        SELECT o.code, g.*
        FROM given AS g
        JOIN jobs.tb_operation AS o ON o.service_name = g.service AND o.operation = g.operation
        WHERE (o.execution_type, o.timeout_seconds, o.max_attempts, o.unique_rule, o.idempotent, o.policy_hash,
                o.has_breaker, o.has_fallback, o.limit_code, o.give_up_seconds)
            IS DISTINCT FROM (g.execution_type, g.timeout_seconds, g.max_attempts, g.unique_rule, g.idempotent,
                g.policy_hash, g.has_breaker, g.has_fallback, g.limit_code, g.give_up_seconds)
        ORDER BY g.service, g.operation
        FOR UPDATE OF o),
    updated AS (
        UPDATE jobs.tb_operation AS o
        SET execution_type = k.execution_type, timeout_seconds = k.timeout_seconds, max_attempts = k.max_attempts,
            unique_rule = k.unique_rule, idempotent = k.idempotent, policy_hash = k.policy_hash,
            has_breaker = k.has_breaker, has_fallback = k.has_fallback, limit_code = k.limit_code,
            give_up_seconds = k.give_up_seconds, registered_at = now()
        FROM known AS k
        WHERE o.code = k.code)
    INSERT INTO jobs.tb_operation (service_name, operation, execution_type, timeout_seconds, max_attempts, unique_rule,
        idempotent, policy_hash, has_breaker, has_fallback, limit_code, give_up_seconds)
    SELECT g.service, g.operation, g.execution_type, g.timeout_seconds, g.max_attempts, g.unique_rule, g.idempotent,
        g.policy_hash, g.has_breaker, g.has_fallback, g.limit_code, g.give_up_seconds
    FROM given AS g
    WHERE NOT EXISTS (
        SELECT FROM jobs.tb_operation AS o WHERE o.service_name = g.service AND o.operation = g.operation)
    ORDER BY g.service, g.operation
    ON CONFLICT (service_name, operation) DO NOTHING;
    PERFORM jobs.assign_lanes();

    INSERT INTO jobs.tb_operation_policy (operation_code, environment, policy_hash, runner_config, security_context)
    SELECT o.code, coalesce(g.environment, ''), g.policy_hash, g.runner_config, g.security_context
    FROM jsonb_to_recordset(_operations) AS g (service text, operation text, environment text, policy_hash text,
        runner_config jsonb, security_context jsonb)
    JOIN jobs.tb_operation AS o ON o.service_name = g.service AND o.operation = g.operation
    WHERE g.policy_hash IS NOT NULL
    ORDER BY o.code
    ON CONFLICT (operation_code, policy_hash, environment) DO NOTHING;
    INSERT INTO jobs.tb_policy_code (policy_hash)
    SELECT DISTINCT o.policy_hash
    FROM jobs.tb_operation AS o
    WHERE o.policy_hash IS NOT NULL
        AND NOT EXISTS (SELECT FROM jobs.tb_policy_code AS p WHERE p.policy_hash = o.policy_hash)
    ORDER BY o.policy_hash
    ON CONFLICT (policy_hash) DO NOTHING;
    UPDATE jobs.tb_operation AS o SET policy_code = p.code
    FROM jobs.tb_policy_code AS p
    WHERE p.policy_hash = o.policy_hash AND o.policy_code IS DISTINCT FROM p.code;

    RETURN QUERY
    SELECT o.code, o.service_name, o.operation, o.limit_code
    FROM jsonb_to_recordset(_operations) AS g (service text, operation text)
    JOIN jobs.tb_operation AS o ON o.service_name = g.service AND o.operation = g.operation
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
