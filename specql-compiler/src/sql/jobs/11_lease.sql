-- object: function jobs.heartbeat(uuid, bigint[], integer[])
-- drop: DROP FUNCTION jobs.heartbeat(uuid, bigint[], integer[])
-- Renews a worker's leases and returns those it still holds. A lease that is being completed at this moment is locked:
-- it counts as held and is passed over, so that a heartbeat never waits for a callback. Planned as jobs.complete_plain.
CREATE OR REPLACE FUNCTION jobs.heartbeat(_worker uuid, _pks bigint[], _epochs integer[])
RETURNS TABLE (pk_job_run bigint, cancel_requested boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_nestloop = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    _now timestamptz := clock_timestamp();
BEGIN
    UPDATE jobs.tb_worker AS w SET heartbeat_at = _now WHERE w.id = _worker;
    IF NOT FOUND THEN
        -- It was away for so long that its row was cleared, and works again.
        PERFORM jobs.register_worker(_worker, 'returned after a long absence', '', NULL);
    END IF;

    RETURN QUERY
    WITH free AS (
        SELECT l.pk_job_run
        FROM unnest(_pks, _epochs) AS g (pk, epoch)
        JOIN jobs.tb_job_lease AS l ON l.pk_job_run = g.pk AND l.epoch = g.epoch AND l.worker = _worker
        WHERE l.pk_job_run = ANY (_pks)
        FOR UPDATE OF l SKIP LOCKED),
    renewed AS (
        UPDATE jobs.tb_job_lease AS l SET renewed_at = _now FROM free AS f
        WHERE l.pk_job_run = ANY (_pks) AND l.pk_job_run = f.pk_job_run)
    SELECT l.pk_job_run, l.cancel_requested
    FROM unnest(_pks, _epochs) AS g (pk, epoch)
    JOIN jobs.tb_job_lease AS l ON l.pk_job_run = g.pk AND l.epoch = g.epoch AND l.worker = _worker
    WHERE l.pk_job_run = ANY (_pks);
END
$$;
COMMENT ON FUNCTION jobs.heartbeat(uuid, bigint[], integer[]) IS
    'Renews leases; one that is missing from the answer is lost, and its work must stop.';

-- object: function jobs.release(uuid, bigint[], integer[])
-- drop: DROP FUNCTION jobs.release(uuid, bigint[], integer[])
-- Gives jobs back that were claimed and not started. No attempt is counted, but the epoch stays as high as it is.
CREATE OR REPLACE FUNCTION jobs.release(_worker uuid, _pks bigint[], _epochs integer[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    _now timestamptz := clock_timestamp();
    _cancelled record;
    _released integer;
BEGIN
    -- Somebody asked for their end while they were leased.
    SELECT array_agg(l.pk_job_run) AS pks, array_agg(l.epoch) AS epochs, array_agg('cancelled'::text) AS classes,
        array_agg('cancelled before the start'::text) AS messages, array_agg(NULL::bigint) AS waits,
        array_agg(false) AS counted, array_agg(NULL::jsonb) AS usages
    INTO _cancelled
    FROM unnest(_pks, _epochs) AS g (pk, epoch)
    JOIN jobs.tb_job_lease AS l ON l.pk_job_run = g.pk AND l.epoch = g.epoch AND l.worker = _worker
    WHERE l.pk_job_run = ANY (_pks) AND l.cancel_requested;
    IF _cancelled.pks IS NOT NULL THEN
        PERFORM jobs.fail(_worker, _cancelled.pks, _cancelled.epochs, _cancelled.classes, _cancelled.messages,
            _cancelled.waits, _cancelled.counted, _cancelled.usages);
    END IF;

    WITH freed AS (
        DELETE FROM jobs.tb_job_lease AS l USING unnest(_pks, _epochs) AS g (pk, epoch)
        WHERE l.pk_job_run = ANY (_pks) AND l.pk_job_run = g.pk AND l.epoch = g.epoch AND l.worker = _worker
        RETURNING l.pk_job_run, l.tenant_lane, l.rank, l.operation_code, l.epoch, l.attempt - 1 AS attempts, l.crashes, l.claimed_at,
            CASE WHEN l.effect_possible THEN l.bound_code ELSE 0 END AS bound_code, l.keyed, l.has_on_success, l.has_on_failure, l.effect_possible,
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

-- object: function jobs.rescue()
-- drop: DROP FUNCTION jobs.rescue()
-- Takes jobs from workers that gave no sign of life for ten seconds, by the database's clock alone. Nobody knows how
-- far such a call came, so the attempt counts, and the call is repeated only where that is harmless. A job that saw
-- three workers die does not get a fourth.
CREATE OR REPLACE FUNCTION jobs.rescue() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    _now timestamptz := clock_timestamp();
    _ends record;
BEGIN
    PERFORM jobs.free_shares();
    WITH lost AS (
        SELECT l.pk_job_run AS pk, l.attempt, l.crashes + 1 AS crashes,
            CASE
                WHEN l.cancel_requested THEN 'cancelled'
                WHEN l.crashes + 1 >= 3 THEN 'poison'
                ELSE 'ambiguous' END AS class,
            CASE
                WHEN l.cancel_requested THEN 'cancelled'
                WHEN l.crashes + 1 < 3 AND called.idempotent AND l.attempt < coalesce(j.max_attempts, o.max_attempts)
                    THEN 'retrying'
                ELSE 'failed' END AS result
        FROM jobs.tb_job_lease AS l
        JOIN jobs.tb_operation AS o ON o.code = l.operation_code
        JOIN jobs.tb_operation AS called ON called.code = coalesce(nullif(l.bound_code, 0), l.operation_code)
        JOIN jobs.tb_job_run AS j ON j.pk_job_run = l.pk_job_run
        WHERE l.renewed_at < _now - interval '10 seconds'
        ORDER BY l.pk_job_run
        FOR UPDATE OF l SKIP LOCKED
        LIMIT 1000)
    SELECT array_agg(l.pk) AS pks, array_agg(l.result) AS results, array_agg(l.class) AS classes,
        array_agg(format('the worker was lost (%s of 3 times)', l.crashes)) AS messages,
        array_agg(l.attempt) AS attempts, array_agg(l.crashes) AS crashes, array_agg(true) AS effects,
        array_agg(_now) AS run_at, array_agg(NULL::jsonb) AS usages
    INTO _ends
    FROM lost AS l;
    IF _ends.pks IS NULL THEN
        RETURN 0;
    END IF;

    PERFORM jobs.end_leases(_ends.pks, _ends.results, _ends.classes, _ends.messages, _ends.attempts, _ends.crashes,
        _ends.effects, _ends.run_at, _ends.usages, 'lost');
    PERFORM jobs.promote();
    RETURN cardinality(_ends.pks);
END
$$;
COMMENT ON FUNCTION jobs.rescue() IS 'Takes jobs from workers that are gone; returns how many.';
