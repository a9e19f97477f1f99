-- object: function jobs.left_out()
-- drop: DROP FUNCTION jobs.left_out()
-- The operations that a live worker does not serve; all workers but those that serve nothing count. One that was not heard of
-- for some seconds may come back, and nothing is gained by moving its jobs meanwhile.
CREATE OR REPLACE FUNCTION jobs.left_out() RETURNS integer[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (
        WITH live AS (
            SELECT w.operations
            FROM jobs.tb_worker AS w
            WHERE w.operations <> '{}' AND w.heartbeat_at > clock_timestamp() - interval '1 minute'),
        served AS (
            SELECT s.code, count(*) AS workers
            FROM live AS l
            CROSS JOIN LATERAL unnest(l.operations) AS s (code)
            GROUP BY s.code)
        SELECT coalesce(array_agg(o.code), '{}')
        FROM jobs.tb_operation AS o
        LEFT JOIN served AS s ON s.code = o.code
        WHERE coalesce(s.workers, 0) < (SELECT count(*) FROM live));
END
$$;

-- object: function jobs.misassigned()
-- drop: DROP FUNCTION jobs.misassigned()
-- The operations whose lane is not the one that they should have, and that one.
CREATE OR REPLACE FUNCTION jobs.misassigned() RETURNS TABLE (code integer, own_lane boolean, lane_for_workers boolean)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _left_out integer[] := jobs.left_out();
BEGIN
    RETURN QUERY
    SELECT o.code, h.may_be_held OR h.left_out, h.left_out AND NOT h.may_be_held
    FROM jobs.tb_operation AS o
    CROSS JOIN LATERAL (
        SELECT o.code = ANY (_left_out) AS left_out, o.limit_code IS NOT NULL OR o.has_breaker OR EXISTS (
            SELECT FROM jobs.tb_pause AS p
            WHERE (p.service_name IS NOT NULL OR p.execution_type IS NOT NULL)
                AND (p.service_name IS NULL OR p.service_name = o.service_name)
                AND (p.operation IS NULL OR p.operation = o.operation)
                AND (p.execution_type IS NULL OR p.execution_type = o.execution_type)) AS may_be_held) AS h
    WHERE (o.own_lane, o.lane_for_workers) <> (h.may_be_held OR h.left_out, h.left_out AND NOT h.may_be_held);
END
$$;

-- object: function jobs.assign_lanes()
-- drop: DROP FUNCTION jobs.assign_lanes()
-- Gives operations whose jobs something may hold back lanes of their own, or takes them away, and begins to move the jobs
-- that wait elsewhere. Those that wait in a lane that is taken away are claimed from there. The caller has locked the operations that
-- it speaks of; of others it waits for none, for it would not wait for them in the order in which all lock them. Who has one of them
-- does the same for it.
CREATE OR REPLACE FUNCTION jobs.assign_lanes() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _locked integer[] := ARRAY(
        SELECT o.code FROM jobs.tb_operation AS o WHERE o.code IN (SELECT m.code FROM jobs.misassigned() AS m)
        ORDER BY o.service_name, o.operation
        FOR UPDATE SKIP LOCKED);
BEGIN
    -- A statement of its own: it sees a pause that was made or ended before the first had the locks.
    UPDATE jobs.tb_operation AS o
    SET own_lane = m.own_lane, lane_for_workers = m.lane_for_workers, unmoved = m.own_lane, lane_changed_at = clock_timestamp()
    FROM jobs.misassigned() AS m
    WHERE o.code = m.code AND o.code = ANY (_locked);
    IF FOUND THEN
        PERFORM jobs.move_to_lanes();
    END IF;
END
$$;

-- object: function jobs.wrong_for_workers()
-- drop: DROP FUNCTION jobs.wrong_for_workers()
-- The operations that should have a lane of their own because not every worker serves them and have none, or have one for
-- that reason alone and should not.
CREATE OR REPLACE FUNCTION jobs.wrong_for_workers() RETURNS integer[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _left_out integer[] := jobs.left_out();
BEGIN
    RETURN ARRAY(
        SELECT o.code FROM jobs.tb_operation AS o
        WHERE NOT o.own_lane AND o.code = ANY (_left_out) OR o.lane_for_workers AND o.code <> ALL (_left_out));
END
$$;

-- object: function jobs.assign_worker_lanes()
-- drop: DROP FUNCTION jobs.assign_worker_lanes()
-- The same for operations that not every worker serves: a claim of a worker that does not would read their jobs on its way.
-- Changes nothing about operations whose jobs something holds back, and waits for nobody. Whether all lanes are as they
-- should be now: else somebody holds a row, and it is to be done again.
CREATE OR REPLACE FUNCTION jobs.assign_worker_lanes() RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _wrong integer[] := jobs.wrong_for_workers();
BEGIN
    IF _wrong = '{}' THEN
        RETURN true;
    END IF;
    _wrong := ARRAY(
        SELECT o.code FROM jobs.tb_operation AS o WHERE o.code = ANY (_wrong)
        ORDER BY o.service_name, o.operation
        FOR UPDATE SKIP LOCKED);
    -- Looked at again: a worker that has begun to serve since then has put its lanes right before these rows could be locked.
    UPDATE jobs.tb_operation AS o
    SET own_lane = NOT o.own_lane, lane_for_workers = NOT o.own_lane, unmoved = NOT o.own_lane,
        lane_changed_at = clock_timestamp()
    WHERE o.code = ANY (_wrong) AND o.code = ANY (jobs.wrong_for_workers());
    RETURN jobs.wrong_for_workers() = '{}';
END
$$;

-- object: function jobs.move_misplaced(integer[], integer)
-- drop: DROP FUNCTION jobs.move_misplaced(integer[], integer)
-- Moves ready jobs of these operations from shared lanes to lanes of their own, so many at most. Those that are being
-- claimed are left alone.
CREATE OR REPLACE FUNCTION jobs.move_misplaced(_operations integer[], _limit integer) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    _places tid[];
BEGIN
    _places := ARRAY(
        SELECT r.ctid
        FROM jobs.tb_job_ready AS r
        WHERE r.lane < 8796093022208 AND r.operation_code = ANY (_operations)
        ORDER BY r.lane, r.rank, r.pk_job_run
        FOR UPDATE SKIP LOCKED
        LIMIT _limit);
    UPDATE jobs.tb_job_ready AS r SET lane = jobs.lane(true, r.operation_code, r.lane) WHERE r.ctid = ANY (_places);
    RETURN cardinality(_places);
END
$$;

-- object: function jobs.move_to_lanes(integer)
-- drop: DROP FUNCTION jobs.move_to_lanes(integer)
-- Moves jobs whose operation was given a lane of its own there, so many at most, and returns how many: where it is so many
-- there are more. One session at a time does it. In batches, for a million rows in one statement would lock them all for a
-- quarter of a minute.
CREATE OR REPLACE FUNCTION jobs.move_to_lanes(_limit integer DEFAULT 5000) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _operations integer[] := ARRAY(SELECT o.code FROM jobs.tb_operation AS o WHERE o.unmoved);
    _moved integer;
BEGIN
    IF _operations = '{}' OR NOT pg_try_advisory_xact_lock(1399869772, 3) THEN
        RETURN 0;
    END IF;
    _moved := jobs.move_misplaced(_operations, _limit);
    IF _moved < _limit THEN
        -- In the order in which all lock them; one that somebody holds is left to the next batch.
        _operations := ARRAY(
            SELECT o.code FROM jobs.tb_operation AS o WHERE o.code = ANY (_operations) AND o.unmoved
            ORDER BY o.service_name, o.operation
            FOR UPDATE SKIP LOCKED);
        UPDATE jobs.tb_operation AS o SET unmoved = false WHERE o.code = ANY (_operations) AND o.unmoved;
    END IF;
    RETURN _moved;
END
$$;
COMMENT ON FUNCTION jobs.move_to_lanes(integer) IS 'Moves waiting jobs to the lanes in which they belong, in batches; returns how many.';

-- object: function jobs.move_late()
-- drop: DROP FUNCTION jobs.move_late()
-- The same for jobs that transactions have queued elsewhere which were under way when their operation was given its lane.
CREATE OR REPLACE FUNCTION jobs.move_late() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _limit CONSTANT integer := 5000;
    _operations integer[] := ARRAY(
        SELECT o.code FROM jobs.tb_operation AS o WHERE o.own_lane AND o.lane_changed_at > now() - interval '1 day');
BEGIN
    IF _operations <> '{}' AND jobs.move_misplaced(_operations, _limit) = _limit THEN
        UPDATE jobs.tb_operation AS o SET unmoved = true WHERE o.code = ANY (_operations) AND NOT o.unmoved;
    END IF;
END
$$;
