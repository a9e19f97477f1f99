-- object: function jobs.proves_no_effect(text)
-- drop: DROP FUNCTION jobs.proves_no_effect(text)
-- Whether an attempt that failed so certainly changed nothing on the far side. Only then is a uniqueness key given
-- back; otherwise a second job could be a second charge.
CREATE OR REPLACE FUNCTION jobs.proves_no_effect(_class text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT _class IN ('policy_denied', 'invalid_input', 'not_started', 'permanent_reported',
        'breaker_open', 'rate_limited', 'no_capacity')
$$;

-- object: function jobs.callback_retry_wait(integer)
-- drop: DROP FUNCTION jobs.callback_retry_wait(integer)
-- How long a callback waits after so many failed tries: 1 s, 2 s, 4 s … about nine minutes in all, then NULL.
CREATE OR REPLACE FUNCTION jobs.callback_retry_wait(_tries integer) RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN _tries < 10 THEN pg_catalog.make_interval(secs => 2 ^ (_tries - 1)) END
$$;

-- object: function jobs.callback_context(uuid)
-- drop: DROP FUNCTION jobs.callback_context(uuid)
-- What a generated callback may know of its job.
CREATE OR REPLACE FUNCTION jobs.callback_context(_job_run_id uuid)
RETURNS TABLE (
    entity_pk bigint, tenant_id uuid, triggered_by uuid, service_name text, operation text, correlation_id text,
    attempts integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT j.entity_pk, j.tenant_id, j.triggered_by, j.service_name, j.operation, j.correlation_id, c.attempts
    FROM jobs.tb_job_run AS j
    JOIN jobs.tb_job_callback AS c ON c.pk_job_run = j.pk_job_run
    WHERE j.id = _job_run_id
$$;

-- object: function jobs.call_callback(bigint)
-- drop: DROP FUNCTION jobs.call_callback(bigint)
-- Runs the callback of one finished call. A job names its callback by key, and the key alone decides nothing: it must
-- stand in jobs.tb_callback for this very service, operation and entity.
CREATE OR REPLACE FUNCTION jobs.call_callback(_pk bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _call record;
    _tenant_before text := coalesce(current_setting('app.tenant_id', true), '');
BEGIN
    SELECT j.id, j.tenant_id, w.result, CASE w.kind WHEN 'success' THEN j.on_success ELSE j.on_failure END AS key,
        c.schema_name, c.function_name
    INTO _call
    FROM jobs.tb_job_callback AS w
    JOIN jobs.tb_job_run AS j ON j.pk_job_run = w.pk_job_run
    LEFT JOIN jobs.tb_callback AS c
        ON c.key = CASE w.kind WHEN 'success' THEN j.on_success ELSE j.on_failure END
        AND c.kind = w.kind AND c.service_name = j.service_name AND c.operation = j.operation
        AND c.entity_type IS NOT DISTINCT FROM j.entity_type
    WHERE w.pk_job_run = _pk;
    IF _call.function_name IS NULL THEN
        RAISE EXCEPTION 'callback `%` was not generated for this operation and entity', _call.key
            USING ERRCODE = 'SQ403';
    END IF;
    -- A batch holds the jobs of several tenants: each callback sees its own job's alone. What raises undoes the setting.
    PERFORM set_config('app.tenant_id', coalesce(_call.tenant_id::text, ''), true);
    EXECUTE format('SELECT %I.%I($1, $2)', _call.schema_name, _call.function_name) USING _call.id, _call.result;
    PERFORM set_config('app.tenant_id', _tenant_before, true);
END
$$;

-- object: function jobs.settle_callbacks(bigint[])
-- drop: DROP FUNCTION jobs.settle_callbacks(bigint[])
-- Runs the callbacks of finished calls, and ends the jobs whose callback succeeded. Returns the others.
--
-- All run together in one subtransaction; when one raises they are rolled back and run again, each in its own, so
-- that the one is set aside and the rest is not. Deferred constraints are checked inside, for at COMMIT they would
-- take the whole batch with them.
CREATE OR REPLACE FUNCTION jobs.settle_callbacks(_pks bigint[]) RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms' AS $$
DECLARE
    _pk bigint;
    _settled bigint[] := '{}'::bigint[];
    _raised bigint[] := '{}'::bigint[];
    _errors text[] := '{}'::text[];
    _final boolean[] := '{}'::boolean[];
BEGIN
    BEGIN
        FOREACH _pk IN ARRAY _pks LOOP
            PERFORM jobs.call_callback(_pk);
        END LOOP;
        SET CONSTRAINTS ALL IMMEDIATE;
        _settled := _pks;
    EXCEPTION WHEN OTHERS OR assert_failure THEN
        FOREACH _pk IN ARRAY _pks LOOP
            BEGIN
                SET CONSTRAINTS ALL DEFERRED;
                PERFORM jobs.call_callback(_pk);
                SET CONSTRAINTS ALL IMMEDIATE;
                _settled := _settled || _pk;
            EXCEPTION WHEN OTHERS OR assert_failure THEN
                _raised := _raised || _pk;
                _errors := _errors || left(format('%s (%s)', SQLERRM, SQLSTATE), 8000);
                -- Waiting does not generate a callback.
                _final := _final || (SQLSTATE = 'SQ403');
            END;
        END LOOP;
    END;

    WITH settled AS (
        DELETE FROM jobs.tb_job_callback AS c WHERE c.pk_job_run = ANY (_settled)
        RETURNING c.pk_job_run, c.kind, c.result, c.epoch, c.attempts, c.keyed, c.effect_possible, c.failure_class,
            c.error_message, c.resource_usage, c.started_at),
    recorded AS (
        INSERT INTO jobs.tb_job_outcome (pk_job_run, epoch, status, attempts, output_data, failure_class, error_message,
            resource_usage, started_at, completed_at)
        SELECT s.pk_job_run, s.epoch, CASE s.kind WHEN 'success' THEN 'completed' ELSE 'failed' END, s.attempts,
            CASE s.kind WHEN 'success' THEN s.result END, s.failure_class, s.error_message,
            s.resource_usage, s.started_at, clock_timestamp()
        FROM settled AS s)
    DELETE FROM jobs.tb_job_key AS k USING settled AS s
    WHERE s.keyed AND k.pk_job_run = s.pk_job_run
        AND CASE s.kind WHEN 'success' THEN k.rule = 'in_flight' ELSE NOT s.effect_possible END;

    IF _raised <> '{}' THEN
        WITH waiting AS (
            UPDATE jobs.tb_job_callback AS c
            SET tries = c.tries + 1, last_error = e.message,
                run_at = CASE WHEN NOT e.final THEN clock_timestamp() + jobs.callback_retry_wait(c.tries + 1) END
            FROM unnest(_raised, _errors, _final) AS e (pk, message, final)
            WHERE c.pk_job_run = e.pk
            RETURNING c.pk_job_run, c.kind, c.result, c.epoch, c.attempts, c.error_message, c.resource_usage,
                c.started_at, c.run_at, c.last_error),
        audited AS (
            INSERT INTO jobs.tb_job_attempt (pk_job_run, epoch, attempt, event, at, message)
            SELECT w.pk_job_run, w.epoch, w.attempts, 'callback_raised', clock_timestamp(), w.last_error
            FROM waiting AS w)
        -- Given up: the call did happen, so output and key are kept and on_failure does not run.
        INSERT INTO jobs.tb_job_outcome (pk_job_run, epoch, status, attempts, output_data, failure_class, error_message,
            resource_usage, started_at, completed_at)
        SELECT w.pk_job_run, w.epoch, 'failed', w.attempts, CASE w.kind WHEN 'success' THEN w.result END,
            'callback_failed', concat('the on_', w.kind, ' callback failed: ', w.last_error, '; the call: ' || w.error_message),
            w.resource_usage, w.started_at, clock_timestamp()
        FROM waiting AS w
        WHERE w.run_at IS NULL;
    END IF;

    PERFORM jobs.announce(_pks);
    RETURN _raised;
END
$$;

-- object: function jobs.run_callbacks(integer)
-- drop: DROP FUNCTION jobs.run_callbacks(integer)
-- Tries the callbacks again that were set aside and are due. Returns how many were tried.
CREATE OR REPLACE FUNCTION jobs.run_callbacks(_limit integer DEFAULT 100) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _pks bigint[];
BEGIN
    _pks := ARRAY(
        SELECT c.pk_job_run
        FROM jobs.tb_job_callback AS c
        WHERE c.run_at <= clock_timestamp()
        ORDER BY c.run_at
        FOR UPDATE SKIP LOCKED
        LIMIT _limit);
    IF _pks <> '{}' THEN
        PERFORM jobs.settle_callbacks(_pks);
    END IF;
    RETURN cardinality(_pks);
END
$$;
