-- object: function jobs.lock_leases(uuid, bigint[], integer[], boolean)
-- drop: DROP FUNCTION jobs.lock_leases(uuid, bigint[], integer[], boolean)
-- Locks a worker's leases, so that nothing after this waits for one. For those that others have locked it waits a fifth
-- of a second in all, however many they are: an open transaction that has called jobs.cancel may take minutes. `busy`
-- are those that are still locked then; what is in neither is lost. Where the caller cannot be answered `busy`, it
-- raises. Planned as jobs.complete_plain.
CREATE OR REPLACE FUNCTION jobs.lock_leases(
    _worker uuid, _pks bigint[], _epochs integer[], _answer_busy boolean, OUT held bigint[], OUT busy bigint[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms'
SET enable_seqscan = off SET enable_nestloop = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    _until timestamptz := clock_timestamp() + interval '200 milliseconds';
    _worker_code integer := jobs.code_of(_worker);
    _left integer;
BEGIN
    LOOP
        -- In key order, like everything that locks several leases.
        held := ARRAY(
            SELECT l.pk_job_run
            FROM unnest(_pks, _epochs) AS g (pk, epoch)
            JOIN jobs.tb_job_lease AS l ON l.pk_job_run = g.pk AND l.epoch = g.epoch AND l.worker_code = _worker_code
            WHERE l.pk_job_run = ANY (_pks)
            ORDER BY l.pk_job_run
            FOR UPDATE OF l SKIP LOCKED);
        busy := '{}'::bigint[];
        EXIT WHEN cardinality(held) = cardinality(_pks);
        busy := ARRAY(
            SELECT l.pk_job_run
            FROM unnest(_pks, _epochs) AS g (pk, epoch)
            JOIN jobs.tb_job_lease AS l ON l.pk_job_run = g.pk AND l.epoch = g.epoch AND l.worker_code = _worker_code
            WHERE l.pk_job_run = ANY (_pks) AND l.pk_job_run <> ALL (held));
        _left := ceil(extract(epoch FROM _until - clock_timestamp()) * 1000)::integer;
        EXIT WHEN busy = '{}' OR _left <= 0;
        BEGIN
            PERFORM set_config('lock_timeout', _left::text, true);
            PERFORM FROM jobs.tb_job_lease AS l WHERE l.pk_job_run = busy[1] FOR UPDATE;
        EXCEPTION WHEN lock_not_available THEN
            EXIT;
        END;
    END LOOP;
    IF busy <> '{}' AND NOT _answer_busy THEN
        RAISE EXCEPTION '% of % jobs are locked by another transaction', cardinality(busy), cardinality(_pks)
            USING ERRCODE = 'lock_not_available';
    END IF;
END
$$;

-- object: function jobs.heartbeat(uuid, bigint[], integer[])
-- drop: DROP FUNCTION jobs.heartbeat(uuid, bigint[], integer[])
-- Renews a worker's leases and returns those it still holds. A lease that is being completed at this moment is locked:
-- it counts as held and is passed over, so that a heartbeat never waits for a callback; jobs.rescue is told, for such a
-- lease becomes old although its worker lives. Planned as jobs.complete_plain.
CREATE OR REPLACE FUNCTION jobs.heartbeat(_worker uuid, _pks bigint[], _epochs integer[])
RETURNS TABLE (pk_job_run bigint, cancel_requested boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_nestloop = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    _now timestamptz := clock_timestamp();
    _worker_code integer := jobs.code_of(_worker);
    _renewed bigint[];
    _held integer;
    _passed_over bigint[];
BEGIN
    WITH free AS (
        SELECT l.pk_job_run
        FROM unnest(_pks, _epochs) AS g (pk, epoch)
        JOIN jobs.tb_job_lease AS l ON l.pk_job_run = g.pk AND l.epoch = g.epoch AND l.worker_code = _worker_code
        WHERE l.pk_job_run = ANY (_pks)
        FOR UPDATE OF l SKIP LOCKED),
    renewed AS (
        UPDATE jobs.tb_job_lease AS l SET renewed_at = _now FROM free AS f
        WHERE l.pk_job_run = ANY (_pks) AND l.pk_job_run = f.pk_job_run
        RETURNING l.pk_job_run)
    SELECT array_agg(r.pk_job_run) INTO _renewed FROM renewed AS r;

    RETURN QUERY
    SELECT l.pk_job_run, coalesce(l.cancel_requested, false)
    FROM unnest(_pks, _epochs) AS g (pk, epoch)
    JOIN jobs.tb_job_lease AS l ON l.pk_job_run = g.pk AND l.epoch = g.epoch AND l.worker_code = _worker_code
    WHERE l.pk_job_run = ANY (_pks);
    GET DIAGNOSTICS _held = ROW_COUNT;

    IF _held > coalesce(cardinality(_renewed), 0) THEN
        _passed_over := ARRAY(SELECT g.pk FROM unnest(_pks) AS g (pk) WHERE g.pk <> ALL (coalesce(_renewed, '{}')));
    END IF;
    LOOP
        UPDATE jobs.tb_worker AS w SET heartbeat_at = _now, passed_over = _passed_over WHERE w.id = _worker;
        EXIT WHEN FOUND;
        -- It was away for so long that its row was cleared, and works again.
        PERFORM jobs.register_worker(_worker, 'returned after a long absence', '', NULL);
    END LOOP;
END
$$;
COMMENT ON FUNCTION jobs.heartbeat(uuid, bigint[], integer[]) IS
    'Renews leases; one that is missing from the answer is lost, and its work must stop.';

-- object: function jobs.release(uuid, bigint[], integer[], boolean)
-- drop: DROP FUNCTION jobs.release(uuid, bigint[], integer[], boolean)
-- Gives jobs back that were claimed and not started, and answers how many. No attempt is counted, but the epoch stays as
-- high as it is. What else was named is lost or, with _answer_busy, locked: jobs.heartbeat tells which is still held.
CREATE OR REPLACE FUNCTION jobs.release(_worker uuid, _pks bigint[], _epochs integer[], _answer_busy boolean DEFAULT false)
    RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    _now timestamptz := clock_timestamp();
    _held bigint[];
    _cancelled record;
    _released integer;
BEGIN
    SELECT l.held INTO STRICT _held FROM jobs.lock_leases(_worker, _pks, _epochs, _answer_busy) AS l;
    -- Somebody asked for their end while they were leased. Looked at under the lock: a cancel is here, or comes after
    -- the release and finds the job waiting.
    SELECT array_agg(l.pk_job_run) AS pks, array_agg(l.epoch) AS epochs, array_agg('cancelled'::text) AS classes,
        array_agg('cancelled before the start'::text) AS messages, array_agg(NULL::bigint) AS waits,
        array_agg(false) AS counted, array_agg(NULL::jsonb) AS usages
    INTO _cancelled
    FROM jobs.tb_job_lease AS l
    WHERE l.pk_job_run = ANY (_held) AND l.cancel_requested;
    IF _cancelled.pks IS NOT NULL THEN
        PERFORM jobs.fail(_worker, _cancelled.pks, _cancelled.epochs, _cancelled.classes, _cancelled.messages,
            _cancelled.waits, _cancelled.counted, _cancelled.usages);
    END IF;

    WITH freed AS (
        DELETE FROM jobs.tb_job_lease AS l WHERE l.pk_job_run = ANY (_held)
        RETURNING l.pk_job_run, coalesce(l.tenant_lane, 0) AS tenant_lane, coalesce(l.rank, 0) AS rank, l.operation_code, l.epoch,
            l.attempt - 1 AS attempts, l.crashes, l.claimed_at,
            CASE WHEN l.effect_possible THEN abs(l.bound_code) END AS bound_code, l.keyed, l.has_on_success, l.has_on_failure, l.effect_possible,
            l.put_off, l.first_tried_at),
    audited AS (
        INSERT INTO jobs.tb_job_attempt (pk_job_run, epoch, attempt, event, at, claimed_at, counted, worker)
        SELECT f.pk_job_run, f.epoch, f.attempts, 'released', _now, f.claimed_at, false, _worker FROM freed AS f)
    INSERT INTO jobs.tb_job_ready (lane, rank, pk_job_run, operation_code, epoch, attempts, crashes,
        bound_code, keyed, has_on_success, has_on_failure, effect_possible, put_off, first_tried_at)
    SELECT jobs.lane(o.own_lane, o.code, f.tenant_lane), f.rank, f.pk_job_run, f.operation_code, f.epoch, f.attempts,
        f.crashes, f.bound_code, f.keyed, f.has_on_success, f.has_on_failure, f.effect_possible, f.put_off, f.first_tried_at
    FROM freed AS f
    JOIN jobs.tb_operation AS o ON o.code = f.operation_code;
    GET DIAGNOSTICS _released = ROW_COUNT;
    IF _released > 0 THEN
        PERFORM jobs.wake_workers();
    END IF;
    RETURN _released + coalesce(cardinality(_cancelled.pks), 0);
END
$$;

-- object: function jobs.unheard_leases(uuid, bigint[], integer[])
-- drop: DROP FUNCTION jobs.unheard_leases(uuid, bigint[], integer[])
-- What a worker has but for what it names: leases of claims whose answer it never got. Nobody began these jobs, and only
-- their worker can know that; rescue would have to take them for calls that may have been made. It only looks: the call may be
-- carried out late, when the worker has claimed others, so the worker gives back what it finds in the answer by its name.
CREATE OR REPLACE FUNCTION jobs.unheard_leases(_worker uuid, _pks bigint[], _epochs integer[])
RETURNS TABLE (pk_job_run bigint, epoch integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    _worker_code integer := jobs.code_of(_worker);
BEGIN
    RETURN QUERY
    SELECT l.pk_job_run, l.epoch
    FROM jobs.tb_job_lease AS l
    WHERE l.worker_code = _worker_code
        AND NOT EXISTS (
            SELECT FROM unnest(_pks, _epochs) AS heard (pk, epoch)
            WHERE heard.pk = l.pk_job_run AND heard.epoch = l.epoch)
    ORDER BY l.pk_job_run;
END
$$;
COMMENT ON FUNCTION jobs.unheard_leases(uuid, bigint[], integer[]) IS
    'The leases of a worker that it does not name: it never got the answer to their claim.';

-- object: function jobs.rescue()
-- drop: DROP FUNCTION jobs.rescue()
-- Takes jobs from workers that gave no sign of life for ten seconds, by the database's clock alone. Nobody knows how
-- far such a call came, so the attempt counts, and the call is repeated only where that is harmless. A job that saw
-- three workers die does not get a fourth.
CREATE OR REPLACE FUNCTION jobs.rescue() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    _now timestamptz := clock_timestamp();
    _ends jobs.lease_end[];
BEGIN
    PERFORM jobs.free_shares();
    WITH lost AS (
        SELECT l.pk_job_run AS pk, l.attempt, coalesce(l.crashes, 0) + 1 AS crashes,
            CASE
                WHEN l.cancel_requested THEN 'cancelled'
                WHEN coalesce(l.crashes, 0) + 1 >= 3 THEN 'poison'
                ELSE 'ambiguous' END AS class,
            CASE
                WHEN l.cancel_requested THEN 'cancelled'
                WHEN coalesce(l.crashes, 0) + 1 < 3 AND called.idempotent AND l.attempt < coalesce(j.max_attempts, o.max_attempts)
                    THEN 'retrying'
                ELSE 'failed' END AS result
        FROM jobs.tb_job_lease AS l
        JOIN jobs.tb_operation AS o ON o.code = l.operation_code
        JOIN jobs.tb_operation AS called ON called.code = coalesce(nullif(abs(l.bound_code), 0), l.operation_code)
        JOIN jobs.tb_job_run AS j ON j.pk_job_run = l.pk_job_run
        WHERE coalesce(l.renewed_at, l.claimed_at) < _now - interval '10 seconds'
            -- Its worker lives and could not renew it, for somebody has it locked, or had a moment ago.
            AND NOT EXISTS (
                SELECT FROM jobs.tb_worker AS w
                WHERE w.id = (SELECT n.id FROM jobs.tb_worker_code AS n WHERE n.code = l.worker_code) AND w.heartbeat_at >= _now - interval '10 seconds' AND l.pk_job_run = ANY (w.passed_over))
        ORDER BY l.pk_job_run
        FOR UPDATE OF l SKIP LOCKED
        LIMIT 1000)
    SELECT array_agg(ROW(l.pk, l.result, l.class, format('the worker was lost (%s of 3 times)', l.crashes), l.attempt,
        l.crashes, true, _now, NULL)::jobs.lease_end)
    INTO _ends
    FROM lost AS l;
    IF _ends IS NULL THEN
        RETURN 0;
    END IF;

    PERFORM jobs.end_leases(_ends, 'lost');
    PERFORM jobs.promote();
    RETURN cardinality(_ends);
END
$$;
COMMENT ON FUNCTION jobs.rescue() IS 'Takes jobs from workers that are gone; returns how many.';
