-- object: function jobs.announce(bigint[])
-- drop: DROP FUNCTION jobs.announce(bigint[])
-- Tells those who wait for these jobs that they are done: clients, and later jobs of the same key.
CREATE OR REPLACE FUNCTION jobs.announce(_pks bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- Nobody waits for most jobs: then this one look is all it costs.
    IF EXISTS (SELECT FROM jobs.tb_job_waiter) THEN
        -- Each job by its key: a join could read all of them.
        PERFORM pg_notify('jobs_done', (SELECT j.id::text FROM jobs.tb_job_run AS j WHERE j.pk_job_run = w.pk_job_run))
        FROM jobs.tb_job_waiter AS w
        WHERE w.pk_job_run = ANY (_pks);
        -- An open transaction that has called jobs.watch holds its row: that one expires.
        DELETE FROM jobs.tb_job_waiter AS w
        WHERE w.pk_job_run IN (
            SELECT o.pk_job_run FROM jobs.tb_job_waiter AS o WHERE o.pk_job_run = ANY (_pks) FOR UPDATE SKIP LOCKED);
    END IF;
    IF EXISTS (SELECT FROM jobs.tb_job_scheduled AS s WHERE s.after_pk IS NOT NULL) THEN
        PERFORM jobs.start_followers(_pks);
        PERFORM jobs.promote();
    END IF;
END
$$;

-- object: function jobs.complete_plain(uuid, bigint[], integer[], jsonb[], jsonb[])
-- drop: DROP FUNCTION jobs.complete_plain(uuid, bigint[], integer[], jsonb[], jsonb[])
-- Ends the jobs that have no callback for success: one statement a batch. Apart from jobs.complete so that the planner
-- settings do not reach the users' callbacks.
--
-- The leases are found by their keys alone and then hashed with the batch. Anything else is a trap: a vacuum between
-- two bursts finds the table empty, and the session then keeps a plan that compares all leases with the whole batch.
CREATE OR REPLACE FUNCTION jobs.complete_plain(
    _worker uuid, _pks bigint[], _epochs integer[], _outputs jsonb[], _usages jsonb[]) RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_nestloop = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    _now timestamptz := clock_timestamp();
    _completed bigint[];
BEGIN
    WITH given AS (
        SELECT g.pk, g.epoch, g.output, g.usage
        FROM unnest(_pks, _epochs, _outputs, _usages) AS g (pk, epoch, output, usage)),
    freed AS (
        DELETE FROM jobs.tb_job_lease AS l USING given AS g
        WHERE l.pk_job_run = ANY (_pks) AND l.pk_job_run = g.pk AND l.epoch = g.epoch AND l.has_on_success IS NOT TRUE
            AND l.worker_code = (SELECT w.code FROM jobs.tb_worker_code AS w WHERE w.id = _worker)
        RETURNING l.pk_job_run, l.epoch, l.attempt, l.worker_code, l.claimed_at, l.keyed, g.output, g.usage),
    recorded AS (
        INSERT INTO jobs.tb_job_outcome (
            pk_job_run, epoch, status, attempts, output_data, resource_usage, worker_code, started_at, completed_at)
        SELECT f.pk_job_run, f.epoch, 'completed', f.attempt, f.output, nullif(f.usage, '{}'), f.worker_code, f.claimed_at, _now
        FROM freed AS f),
    released AS (
        DELETE FROM jobs.tb_job_key AS k
        WHERE k.ctid = ANY (ARRAY(
            SELECT held.ctid FROM jobs.tb_job_key AS held WHERE held.pk_job_run = ANY (ARRAY(SELECT f.pk_job_run FROM freed AS f WHERE f.keyed))
            FOR UPDATE SKIP LOCKED)) AND k.rule <> 'once')
    SELECT array_agg(f.pk_job_run) INTO _completed FROM freed AS f;
    RETURN _completed;
END
$$;

-- object: function jobs.complete_called(uuid, bigint[], integer[], jsonb[], jsonb[])
-- drop: DROP FUNCTION jobs.complete_called(uuid, bigint[], integer[], jsonb[], jsonb[])
-- Ends the leases of jobs whose callback is still to run. Planned as jobs.complete_plain.
CREATE OR REPLACE FUNCTION jobs.complete_called(
    _worker uuid, _pks bigint[], _epochs integer[], _outputs jsonb[], _usages jsonb[]) RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_nestloop = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    _now timestamptz := clock_timestamp();
    _called bigint[];
BEGIN
    WITH given AS (
        SELECT g.pk, g.epoch, g.output, g.usage
        FROM unnest(_pks, _epochs, _outputs, _usages) AS g (pk, epoch, output, usage)),
    freed AS (
        DELETE FROM jobs.tb_job_lease AS l USING given AS g
        WHERE l.pk_job_run = ANY (_pks) AND l.pk_job_run = g.pk AND l.epoch = g.epoch
            AND l.worker_code = (SELECT w.code FROM jobs.tb_worker_code AS w WHERE w.id = _worker)
        RETURNING l.pk_job_run, l.epoch, l.attempt, l.claimed_at, l.keyed, l.effect_possible, g.output, g.usage),
    called AS (
        INSERT INTO jobs.tb_job_callback (pk_job_run, kind, result, epoch, attempts, keyed, effect_possible,
            resource_usage, worker, started_at, run_at)
        SELECT f.pk_job_run, 'success', f.output, f.epoch, f.attempt, coalesce(f.keyed, false), coalesce(f.effect_possible, false),
            nullif(f.usage, '{}'), _worker, f.claimed_at, _now
        FROM freed AS f)
    SELECT array_agg(f.pk_job_run ORDER BY f.pk_job_run) INTO _called FROM freed AS f;
    RETURN _called;
END
$$;

-- object: function jobs.complete(uuid, bigint[], integer[], jsonb[], jsonb[], boolean)
-- drop: DROP FUNCTION jobs.complete(uuid, bigint[], integer[], jsonb[], jsonb[], boolean)
-- Ends jobs whose call succeeded. Their callbacks run in the same transaction. One that raises, or waits too long for
-- a lock, is set aside and tried again later; the call is not repeated, and the rest of the batch completes.
--
-- Leases are nearly always free, and then nothing is locked before it is deleted. Where one is not, the batch begins
-- again and locks what it can: the job whose lease somebody holds is answered `busy`, and its worker says it again.
-- Whoever does not know that word (_answer_busy false) gets lock_not_available, and nothing is done.
CREATE OR REPLACE FUNCTION jobs.complete(
    _worker uuid, _pks bigint[], _epochs integer[], _outputs jsonb[], _usages jsonb[], _answer_busy boolean DEFAULT false)
RETURNS TABLE (pk_job_run bigint, result text)
-- Longer than a heartbeat takes.
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10ms' AS $$
DECLARE
    _completed bigint[];
    _called bigint[];
    _held bigint[];
    _busy bigint[];
    _free record;
    _raised bigint[];
BEGIN
    BEGIN
        _completed := jobs.complete_plain(_worker, _pks, _epochs, _outputs, _usages);
        IF coalesce(cardinality(_completed), 0) < cardinality(_pks) THEN
            _called := jobs.complete_called(_worker, _pks, _epochs, _outputs, _usages);
        END IF;
    EXCEPTION WHEN lock_not_available THEN
        SELECT l.held, l.busy INTO STRICT _held, _busy
        FROM jobs.lock_leases(_worker, _pks, _epochs, _answer_busy) AS l;
        SELECT array_agg(g.pk) AS pks, array_agg(g.epoch) AS epochs, array_agg(g.output) AS outputs,
            array_agg(g.usage) AS usages
        INTO _free
        FROM unnest(_pks, _epochs, _outputs, _usages) AS g (pk, epoch, output, usage)
        WHERE g.pk = ANY (_held);
        -- No lease is waited for any more. A migration may still hold a table for a moment.
        PERFORM set_config('lock_timeout', '2s', true);
        _completed := jobs.complete_plain(_worker, _free.pks, _free.epochs, _free.outputs, _free.usages);
        _called := jobs.complete_called(_worker, _free.pks, _free.epochs, _free.outputs, _free.usages);
    END;

    -- The same question as there, which spares most batches the call.
    IF _completed IS NOT NULL AND (EXISTS (SELECT FROM jobs.tb_job_waiter)
        OR EXISTS (SELECT FROM jobs.tb_job_scheduled AS s WHERE s.after_pk IS NOT NULL))
    THEN
        PERFORM jobs.announce(_completed);
    END IF;
    IF _called IS NOT NULL THEN
        _raised := jobs.settle_callbacks(_called);
    END IF;
    IF coalesce(cardinality(_raised), 0) = 0
        AND coalesce(cardinality(_completed), 0) + coalesce(cardinality(_called), 0) = cardinality(_pks)
    THEN
        -- The ordinary case, apart: looking each job up in the arrays below costs the square of the batch.
        RETURN QUERY SELECT given.pk, 'completed' FROM unnest(_pks) AS given (pk);
        RETURN;
    END IF;

    RETURN QUERY
    SELECT given.pk, CASE
        WHEN given.pk = ANY (_raised) THEN
            -- A callback that was not generated for the job is not waited for.
            CASE WHEN EXISTS (SELECT FROM jobs.tb_job_outcome AS o WHERE o.pk_job_run = given.pk)
                THEN 'failed' ELSE 'callback_waiting' END
        WHEN given.pk = ANY (_completed) OR given.pk = ANY (_called) THEN 'completed'
        WHEN given.pk = ANY (_busy) THEN 'busy'
        ELSE 'fenced' END
    FROM unnest(_pks) AS given (pk);
END
$$;
COMMENT ON FUNCTION jobs.complete(uuid, bigint[], integer[], jsonb[], jsonb[], boolean) IS
    'Ends jobs whose call succeeded: completed, callback_waiting, failed where the callback is not the job''s, fenced where the lease was lost, or busy where it is locked.';
