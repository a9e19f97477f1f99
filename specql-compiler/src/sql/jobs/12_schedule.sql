-- object: function jobs.promote(integer)
-- drop: DROP FUNCTION jobs.promote(integer)
-- Makes jobs ready whose time has come. Returns how many.
CREATE OR REPLACE FUNCTION jobs.promote(_limit integer DEFAULT 1000) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    _now timestamptz := clock_timestamp();
    _promoted integer;
BEGIN
    PERFORM jobs.start_followers();
    WITH due AS MATERIALIZED (
        SELECT s.ctid AS place
        FROM jobs.tb_job_scheduled AS s
        WHERE s.run_at <= _now AND s.after_pk IS NULL
        ORDER BY s.run_at, s.pk_job_run
        FOR UPDATE SKIP LOCKED
        LIMIT _limit),
    taken AS (
        DELETE FROM jobs.tb_job_scheduled AS s USING due AS d WHERE s.ctid = d.place
        RETURNING s.tenant_lane, s.rank, s.pk_job_run, s.operation_code, s.epoch, s.attempts, s.crashes,
            s.bound_code, s.keyed, s.has_on_success, s.has_on_failure, s.effect_possible, s.put_off, s.first_tried_at)
    INSERT INTO jobs.tb_job_ready (lane, rank, pk_job_run, operation_code, epoch, attempts, crashes,
        bound_code, keyed, has_on_success, has_on_failure, effect_possible, put_off, first_tried_at)
    SELECT jobs.lane(o.own_lane, o.code, t.tenant_lane), t.rank, t.pk_job_run, t.operation_code, t.epoch, t.attempts, t.crashes,
        t.bound_code, t.keyed, t.has_on_success, t.has_on_failure, t.effect_possible, t.put_off, t.first_tried_at
    FROM taken AS t
    JOIN jobs.tb_operation AS o ON o.code = t.operation_code;
    GET DIAGNOSTICS _promoted = ROW_COUNT;
    IF _promoted > 0 THEN
        PERFORM jobs.wake_workers();
    END IF;
    RETURN _promoted;
END
$$;

-- object: function jobs.next_due()
-- drop: DROP FUNCTION jobs.next_due()
-- When the next delayed job or retry is due, a rate allows the next start, or a breaker the next probe; NULL when there is
-- none. Callbacks that wait are not in it: they are run apart, once a second.
CREATE OR REPLACE FUNCTION jobs.next_due() RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    SELECT least(
        (SELECT s.run_at FROM jobs.tb_job_scheduled AS s WHERE s.run_at < 'infinity' ORDER BY s.run_at LIMIT 1),
        jobs.next_start(),
        (SELECT min(b.open_until) FROM jobs.tb_circuit_breaker AS b
        WHERE b.state = 'open' AND b.open_until > clock_timestamp()))
$$;
