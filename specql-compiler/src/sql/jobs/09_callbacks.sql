-- object: function jobs.proves_no_effect(text)
-- drop: DROP FUNCTION jobs.proves_no_effect(text)
-- Whether an attempt that failed so certainly changed nothing on the far side, where its worker has not said so itself
-- (jobs.fail): by the class alone, as all workers once knew it. Only then is a uniqueness key given back; otherwise a
-- second job could be a second charge. Of permanent_reported, which may be an exit code, a newer worker does say it.
CREATE OR REPLACE FUNCTION jobs.proves_no_effect(_class text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT _class IN ('policy_denied', 'invalid_input', 'not_started', 'permanent_reported',
        'breaker_open', 'rate_limited', 'no_capacity')
$$;

-- object: function jobs.callback_retry_wait(integer)
-- drop: DROP FUNCTION jobs.callback_retry_wait(integer)
-- How long a callback waits after so many failed tries: 1 s, 2 s, 4 s … ten minutes, a day in all, then NULL. A migration
-- that holds its table may take hours.
CREATE OR REPLACE FUNCTION jobs.callback_retry_wait(_tries integer) RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN _tries < 154 THEN pg_catalog.make_interval(secs => least(2.0 ^ least(_tries - 1, 10), 600)) END
$$;

-- object: function jobs.callback_context(uuid)
-- drop: DROP FUNCTION jobs.callback_context(uuid)
-- What a generated callback may know of its job. By key, whatever the statistics say: the table of waiting callbacks
-- is empty between any two transactions, and full of a batch within one.
CREATE OR REPLACE FUNCTION jobs.callback_context(_job_run_id uuid)
RETURNS TABLE (
    entity_pk bigint, tenant_id uuid, triggered_by uuid, service_name text, operation text, correlation_id text,
    attempts integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    _pk bigint := jobs.pk_of(_job_run_id);
BEGIN
    RETURN QUERY
    SELECT j.entity_pk, j.tenant_id, j.triggered_by, o.service_name, o.operation, j.correlation_id, c.attempts
    FROM jobs.tb_job_run AS j
    JOIN jobs.tb_operation AS o ON o.code = j.operation_code
    JOIN jobs.tb_job_callback AS c ON c.pk_job_run = _pk
    WHERE j.pk_job_run = _pk;
END
$$;

-- object: function jobs.callback_rows(uuid)
-- drop: DROP FUNCTION jobs.callback_rows(uuid)
-- The other rows that a generated callback reads again: public ids by name.
CREATE OR REPLACE FUNCTION jobs.callback_rows(_job_run_id uuid) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _pk bigint := jobs.pk_of(_job_run_id);
BEGIN
    RETURN (SELECT j.callback_rows FROM jobs.tb_job_run AS j WHERE j.pk_job_run = _pk);
END
$$;

-- object: function jobs.note_absent_row(uuid, jsonb, text, text)
-- drop: DROP FUNCTION jobs.note_absent_row(uuid, jsonb, text, text)
-- Notes that a row which a callback was to read again is gone. A row that was not there when the call was queued is none. A
-- job that does not name the row at all was queued for other steps: its callback cannot do what it should, and waiting does
-- not help.
CREATE OR REPLACE FUNCTION jobs.note_absent_row(_job_run_id uuid, _rows jsonb, _name text, _entity text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT coalesce(_rows ? _name, false) THEN
        RAISE EXCEPTION 'the job carries no `%`: it was queued before its callback read that row', _name
            USING ERRCODE = 'SQ403';
    END IF;
    INSERT INTO jobs.tb_job_attempt (pk_job_run, epoch, attempt, event, at, message)
    SELECT c.pk_job_run, c.epoch, c.attempts, 'row_gone', clock_timestamp(),
        format('`%s` is gone: there is no %s with the id %s', _name, _entity, _rows ->> _name)
    FROM jobs.tb_job_callback AS c
    WHERE c.pk_job_run = jobs.pk_of(_job_run_id) AND _rows ->> _name IS NOT NULL;
END
$$;

-- object: type jobs.called_job
-- drop: DROP TYPE jobs.called_job
-- A job whose call is over, as a callback over many jobs is given it.
CREATE TYPE jobs.called_job AS (
    job_run_id uuid, entity_pk bigint, tenant_id uuid, triggered_by uuid, service_name text, operation text,
    correlation_id text, attempts integer, result jsonb);

-- object: function jobs.callback_batches(bigint[])
-- drop: DROP FUNCTION jobs.callback_batches(bigint[])
-- Cuts the callbacks of finished calls into batches, in the order in which they run. A batch that one function can do
-- is of one callback and one tenant and has each row once: a second job of a row is of a later batch, for an UPDATE
-- applies one of them and drops the other. The others are alone, behind them. Jobs of one row keep their order; that
-- of different rows is free, for their calls ended at the same time.
--
-- A job names its callback by key, and the key alone decides nothing: it must stand in jobs.tb_callback for this very
-- service, operation and entity. Planned as jobs.complete_plain.
CREATE OR REPLACE FUNCTION jobs.callback_batches(_pks bigint[])
RETURNS TABLE (key text, schema_name text, function_name text, batch_function text, tenant_id uuid, pks bigint[],
    called jobs.called_job[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_nestloop = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan SET jit = off AS $$
BEGIN
    RETURN QUERY
    SELECT cut.key, cut.schema_name, cut.function_name, cut.batch_function, cut.tenant_id,
        array_agg(cut.pk ORDER BY cut.pk), array_agg(cut.job ORDER BY cut.pk)
    FROM (
        SELECT w.pk_job_run AS pk, named.key, c.schema_name, c.function_name, c.batch_function, j.tenant_id,
            CASE WHEN c.batch_function IS NULL THEN w.pk_job_run END AS alone,
            CASE WHEN c.batch_function IS NOT NULL
                THEN row_number() OVER (PARTITION BY j.entity_type, j.entity_pk ORDER BY w.pk_job_run) END AS round,
            ROW(j.id, j.entity_pk, j.tenant_id, j.triggered_by, o.service_name, o.operation, j.correlation_id,
                w.attempts, w.result)::jobs.called_job AS job
        FROM jobs.tb_job_callback AS w
        JOIN jobs.tb_job_run AS j ON j.pk_job_run = w.pk_job_run
        JOIN jobs.tb_operation AS o ON o.code = j.operation_code
        CROSS JOIN LATERAL (SELECT CASE w.kind WHEN 'success' THEN j.on_success ELSE j.on_failure END) AS named (key)
        LEFT JOIN jobs.tb_callback AS c
            ON c.key = named.key AND c.kind = w.kind AND c.service_name = o.service_name
            AND c.operation = o.operation AND c.entity_type IS NOT DISTINCT FROM j.entity_type
        WHERE w.pk_job_run = ANY (_pks) AND j.pk_job_run = ANY (_pks)) AS cut
    GROUP BY cut.round, cut.alone, cut.key, cut.schema_name, cut.function_name, cut.batch_function, cut.tenant_id
    ORDER BY cut.round, cut.alone, cut.key, cut.tenant_id;
END
$$;

-- object: function jobs.call_callback(text, text, text, uuid, uuid, jsonb)
-- drop: DROP FUNCTION jobs.call_callback(text, text, text, uuid, uuid, jsonb)
-- Runs the callback of one finished call.
CREATE OR REPLACE FUNCTION jobs.call_callback(
    _key text, _schema text, _function text, _tenant_id uuid, _job_run_id uuid, _result jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _tenant_before text := coalesce(current_setting('app.tenant_id', true), '');
BEGIN
    IF _function IS NULL THEN
        RAISE EXCEPTION 'callback `%` was not generated for this operation and entity', _key USING ERRCODE = 'SQ403';
    END IF;
    -- Several tenants' jobs end together: each callback sees its own job's alone. What raises undoes the setting.
    PERFORM set_config('app.tenant_id', coalesce(_tenant_id::text, ''), true);
    EXECUTE format('SELECT %I.%I($1, $2)', _schema, _function) USING _job_run_id, _result;
    PERFORM set_config('app.tenant_id', _tenant_before, true);
END
$$;

-- object: function jobs.call_callback_batch(text, text, uuid, jobs.called_job[])
-- drop: DROP FUNCTION jobs.call_callback_batch(text, text, uuid, jobs.called_job[])
-- Runs one callback for many jobs of one tenant.
CREATE OR REPLACE FUNCTION jobs.call_callback_batch(
    _schema text, _function text, _tenant_id uuid, _called jobs.called_job[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _tenant_before text := coalesce(current_setting('app.tenant_id', true), '');
BEGIN
    PERFORM set_config('app.tenant_id', coalesce(_tenant_id::text, ''), true);
    EXECUTE format('SELECT %I.%I($1)', _schema, _function) USING _called;
    PERFORM set_config('app.tenant_id', _tenant_before, true);
END
$$;

-- object: function jobs.call_callbacks(bigint[], timestamptz)
-- drop: DROP FUNCTION jobs.call_callbacks(bigint[], timestamptz)
-- Runs the callbacks of finished calls together, and begins none after the given time: `settled` are those that it ran.
-- NULL, and nothing of it done, when any of them raises. `too_long` are those during which the caller's
-- statement_timeout ran out; nothing is done then either.
--
-- Deferred constraints are checked inside, for at COMMIT they would take the whole batch with them. A deadlock is
-- nobody's fault: what was rolled back let the other one pass, and the batch is repeated.
CREATE OR REPLACE FUNCTION jobs.call_callbacks(
    _pks bigint[], _until timestamptz, OUT settled bigint[], OUT too_long bigint[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _batch record;
    _running bigint[];
BEGIN
    too_long := '{}'::bigint[];
    FOR _round IN 1..3 LOOP
        settled := '{}'::bigint[];
        BEGIN
            FOR _batch IN
                SELECT b.key, b.schema_name, b.function_name, b.batch_function, b.tenant_id, b.pks, b.called
                FROM jobs.callback_batches(_pks) AS b
            LOOP
                EXIT WHEN clock_timestamp() >= _until;
                _running := _batch.pks;
                IF _batch.batch_function IS NULL THEN
                    PERFORM jobs.call_callback(_batch.key, _batch.schema_name, _batch.function_name, _batch.tenant_id,
                        (_batch.called[1]).job_run_id, (_batch.called[1]).result);
                ELSE
                    PERFORM jobs.call_callback_batch(
                        _batch.schema_name, _batch.batch_function, _batch.tenant_id, _batch.called);
                END IF;
                settled := settled || _batch.pks;
            END LOOP;
            SET CONSTRAINTS ALL IMMEDIATE;
            RETURN;
        EXCEPTION
            WHEN deadlock_detected THEN
                RAISE DEBUG 'callbacks were in a deadlock (% of 3 times): %', _round, SQLERRM;
            WHEN query_canceled THEN
                -- Not raised on: the batch would come again, and be cancelled again.
                settled := '{}'::bigint[];
                too_long := _running;
                RETURN;
            WHEN serialization_failure THEN
                -- Only another snapshot helps, and only a new transaction has one.
                IF current_setting('transaction_isolation') <> 'read committed' THEN
                    RAISE;
                END IF;
                EXIT;
            WHEN OTHERS OR assert_failure THEN
                EXIT;
        END;
    END LOOP;
    settled := NULL;
END
$$;

-- object: type jobs.raised_callback
-- drop: DROP TYPE jobs.raised_callback
-- A callback that raised. `final`: another try would raise again.
CREATE TYPE jobs.raised_callback AS (pk bigint, message text, final boolean);

-- object: function jobs.call_callbacks_apart(bigint[], timestamptz)
-- drop: DROP FUNCTION jobs.call_callbacks_apart(bigint[], timestamptz)
-- Runs the callbacks of finished calls so that one that raises undoes itself alone: batch by batch, and job by job
-- where a batch raises. None begins after the given time. Those that wait for locks share one patience; when it is used
-- up the others still run, but a lock that is not free is no longer waited for.
CREATE OR REPLACE FUNCTION jobs.call_callbacks_apart(
    _pks bigint[], _until timestamptz, OUT settled bigint[], OUT raised jobs.raised_callback[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '250ms' AS $$
DECLARE
    _batch record;
    _patience integer := 250;
    _began timestamptz;
BEGIN
    settled := '{}'::bigint[];
    raised := '{}'::jobs.raised_callback[];
    FOR _batch IN
        SELECT b.key, b.schema_name, b.function_name, b.batch_function, b.tenant_id, b.pks, b.called
        FROM jobs.callback_batches(_pks) AS b
    LOOP
        _began := clock_timestamp();
        EXIT WHEN _began >= _until;
        -- Where this is all there is, it has just raised.
        IF _batch.batch_function IS NOT NULL AND cardinality(_batch.pks) BETWEEN 2 AND cardinality(_pks) - 1 THEN
            BEGIN
                SET CONSTRAINTS ALL DEFERRED;
                PERFORM set_config('lock_timeout', _patience::text, true);
                PERFORM jobs.call_callback_batch(
                    _batch.schema_name, _batch.batch_function, _batch.tenant_id, _batch.called);
                SET CONSTRAINTS ALL IMMEDIATE;
                settled := settled || _batch.pks;
                CONTINUE;
            EXCEPTION
                WHEN lock_not_available THEN
                    _patience := jobs.patience_left(_patience, _began);
                WHEN OTHERS OR assert_failure THEN
                    RAISE DEBUG 'a batch of callbacks raised and is run job by job: %', SQLERRM;
            END;
        END IF;
        FOR _place IN 1..cardinality(_batch.pks) LOOP
            _began := clock_timestamp();
            EXIT WHEN _began >= _until;
            BEGIN
                SET CONSTRAINTS ALL DEFERRED;
                PERFORM set_config('lock_timeout', _patience::text, true);
                PERFORM jobs.call_callback(_batch.key, _batch.schema_name, _batch.function_name, _batch.tenant_id,
                    (_batch.called[_place]).job_run_id, (_batch.called[_place]).result);
                SET CONSTRAINTS ALL IMMEDIATE;
                settled := settled || _batch.pks[_place];
            EXCEPTION WHEN OTHERS OR assert_failure OR query_canceled THEN
                raised := raised || ROW(_batch.pks[_place], format('%s (%s)', SQLERRM, SQLSTATE),
                    -- Waiting does not generate a callback.
                    SQLSTATE = 'SQ403')::jobs.raised_callback;
                IF SQLSTATE = '55P03' THEN
                    _patience := jobs.patience_left(_patience, _began);
                ELSIF SQLSTATE = '57014' THEN
                    -- The caller's statement_timeout does not run out a second time.
                    RETURN;
                END IF;
            END;
        END LOOP;
    END LOOP;
END
$$;

-- object: function jobs.patience_left(integer, timestamptz)
-- drop: DROP FUNCTION jobs.patience_left(integer, timestamptz)
-- Milliseconds that are left of a patience after a wait. Never none at all, which PostgreSQL takes for no limit.
CREATE OR REPLACE FUNCTION jobs.patience_left(_patience integer, _began timestamptz) RETURNS integer
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT greatest(_patience - extract(epoch FROM clock_timestamp() - _began) * 1000, 1)::integer
$$;

-- object: function jobs.record_settled(bigint[])
-- drop: DROP FUNCTION jobs.record_settled(bigint[])
-- Ends the jobs whose callback succeeded. Planned as jobs.complete_plain.
CREATE OR REPLACE FUNCTION jobs.record_settled(_pks bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_nestloop = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    _now timestamptz := clock_timestamp();
    -- Mostly they are all of one worker, whose code is looked up once.
    _worker uuid := (SELECT c.worker FROM jobs.tb_job_callback AS c WHERE c.pk_job_run = _pks[1]);
    _worker_code integer := jobs.code_of(_worker);
BEGIN
    WITH settled AS (
        DELETE FROM jobs.tb_job_callback AS c WHERE c.pk_job_run = ANY (_pks)
        RETURNING c.pk_job_run, c.kind, c.result, c.epoch, c.attempts, c.keyed, c.effect_possible, c.bound_code, c.failure_class,
            c.error_message, c.resource_usage, c.worker, c.started_at),
    recorded AS (
        INSERT INTO jobs.tb_job_outcome (pk_job_run, epoch, status, attempts, output_data, failure_class, error_message,
            resource_usage, effect_possible, bound_code, worker_code, started_at, completed_at)
        SELECT s.pk_job_run, s.epoch, CASE s.kind WHEN 'success' THEN 'completed' ELSE 'failed' END, s.attempts,
            CASE s.kind WHEN 'success' THEN s.result END, s.failure_class, s.error_message,
            s.resource_usage, CASE s.kind WHEN 'failure' THEN s.effect_possible END, s.bound_code,
            CASE WHEN s.worker = _worker THEN _worker_code
                ELSE (SELECT w.code FROM jobs.tb_worker_code AS w WHERE w.id = s.worker) END,
            s.started_at, _now
        FROM settled AS s)
    DELETE FROM jobs.tb_job_key AS k USING settled AS s
    WHERE k.ctid = ANY (ARRAY(
            SELECT held.ctid FROM jobs.tb_job_key AS held WHERE held.pk_job_run = ANY (ARRAY(SELECT w.pk_job_run FROM settled AS w WHERE w.keyed))
            FOR UPDATE SKIP LOCKED))
        AND k.pk_job_run = s.pk_job_run
        AND CASE s.kind WHEN 'success' THEN k.rule <> 'once' ELSE NOT s.effect_possible END;
END
$$;

-- object: function jobs.postpone_callbacks(bigint[])
-- drop: DROP FUNCTION jobs.postpone_callbacks(bigint[])
-- Leaves callbacks to jobs.run_callbacks: they stay due, and no try is counted. The call is over, its job is not: from
-- now on it is an event of its own.
CREATE OR REPLACE FUNCTION jobs.postpone_callbacks(_pks bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
BEGIN
    WITH called AS (
        INSERT INTO jobs.tb_job_attempt (pk_job_run, epoch, attempt, event, at, claimed_at, counted, worker, resource_usage)
        SELECT c.pk_job_run, c.epoch, c.attempts, 'finished', c.run_at, c.started_at, true, c.worker, c.resource_usage
        FROM jobs.tb_job_callback AS c
        WHERE c.pk_job_run = ANY (_pks) AND c.worker IS NOT NULL)
    UPDATE jobs.tb_job_callback AS c SET worker = NULL WHERE c.pk_job_run = ANY (_pks) AND c.worker IS NOT NULL;
END
$$;

-- object: function jobs.set_aside(jobs.raised_callback[])
-- drop: DROP FUNCTION jobs.set_aside(jobs.raised_callback[])
-- Gives callbacks that raised another time, or gives them up. They are put off already.
CREATE OR REPLACE FUNCTION jobs.set_aside(_raised jobs.raised_callback[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
BEGIN
    -- For the worker's log, until this transaction ends: the SQLSTATE of each, and of very many those of the first. The
    -- messages stay out of it, they may quote values.
    IF _raised <> '{}' THEN
        PERFORM set_config('specql.raised_callbacks', (
            SELECT jsonb_object_agg(r.pk, substring(r.message FROM '\(([0-9A-Z]{5})\)$'))::text
            FROM unnest(_raised[1:50]) AS r), true);
    END IF;
    WITH waiting AS (
        UPDATE jobs.tb_job_callback AS c
        SET tries = c.tries + 1, last_error = left(r.message, 8000),
            run_at = CASE WHEN NOT r.final THEN clock_timestamp() + jobs.callback_retry_wait(c.tries + 1) END
        FROM unnest(_raised) AS r
        WHERE c.pk_job_run = r.pk
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
END
$$;

-- object: function jobs.settle_callbacks(bigint[])
-- drop: DROP FUNCTION jobs.settle_callbacks(bigint[])
-- Runs the callbacks of finished calls, and ends the jobs whose callback succeeded. Returns the others.
--
-- A batch waits half a second for locks in all, and runs for a few seconds: its caller waits, and no longer than the
-- limit of his call. What there is no time for is put off.
CREATE OR REPLACE FUNCTION jobs.settle_callbacks(_pks bigint[]) RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '250ms' AS $$
DECLARE
    _settled bigint[];
    _too_long bigint[];
    _raised jobs.raised_callback[] := '{}'::jobs.raised_callback[];
    _others bigint[] := '{}'::bigint[];
BEGIN
    SELECT c.settled, c.too_long INTO STRICT _settled, _too_long
    FROM jobs.call_callbacks(_pks, clock_timestamp() + interval '3 seconds') AS c;
    IF _settled IS NULL THEN
        SELECT a.settled, a.raised INTO STRICT _settled, _raised
        FROM jobs.call_callbacks_apart(_pks, clock_timestamp() + interval '2 seconds') AS a;
    ELSIF _too_long <> '{}' THEN
        _raised := ARRAY(
            SELECT ROW(t.pk, 'it took longer than the worker waits (57014)', false)::jobs.raised_callback
            FROM unnest(_too_long) AS t (pk));
    END IF;

    PERFORM jobs.record_settled(_settled);
    IF cardinality(_settled) < cardinality(_pks) THEN
        _others := ARRAY(SELECT o.pk FROM unnest(_pks) AS o (pk) WHERE o.pk <> ALL (_settled));
        PERFORM jobs.postpone_callbacks(_others);
        PERFORM jobs.set_aside(_raised);
    END IF;
    PERFORM jobs.announce(_pks);
    RETURN _others;
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
