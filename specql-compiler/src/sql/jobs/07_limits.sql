-- object: function jobs.running(uuid, integer)
-- drop: DROP FUNCTION jobs.running(uuid, integer)
-- How many jobs of a limited service a worker has, those included that it carries out as a fallback.
CREATE OR REPLACE FUNCTION jobs.running(_worker uuid, _limit_code integer) RETURNS integer
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _worker_code integer := jobs.code_of(_worker);
BEGIN
    RETURN (
        SELECT count(*)
        FROM jobs.tb_job_lease AS l
        JOIN jobs.tb_operation AS o ON o.code = CASE WHEN l.bound_code > 0 THEN l.bound_code ELSE l.operation_code END
        WHERE l.worker_code = _worker_code AND o.limit_code = _limit_code)::integer;
END
$$;

-- object: function jobs.limit_is_used_up(uuid, integer, integer)
-- drop: DROP FUNCTION jobs.limit_is_used_up(uuid, integer, integer)
-- Whether jobs.limit_room would find none, as far as can be seen without a lock. NULL where there is no such limit.
CREATE OR REPLACE FUNCTION jobs.limit_is_used_up(_worker uuid, _limit_code integer, _running integer) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _limit jobs.tb_limit;
    _slots integer;
    _own_slots integer;
BEGIN
    IF _limit_code IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT l.* INTO _limit FROM jobs.tb_limit AS l WHERE l.code = _limit_code;
    IF _limit.concurrency IS NOT NULL THEN
        SELECT coalesce(sum(s.slots), 0)::integer, coalesce(sum(s.slots) FILTER (WHERE s.worker = _worker), 0)::integer
        INTO _slots, _own_slots
        FROM jobs.tb_limit_share AS s
        WHERE s.limit_code = _limit_code;
        IF _slots >= _limit.concurrency AND _own_slots <= coalesce(_running, jobs.running(_worker, _limit_code)) THEN
            RETURN true;
        END IF;
    END IF;
    RETURN _limit.rate_starts IS NOT NULL AND jobs.starts_free(_limit, clock_timestamp()) = 0;
END
$$;

-- object: function jobs.limit_room(uuid, integer, integer, integer)
-- drop: DROP FUNCTION jobs.limit_room(uuid, integer, integer, integer)
-- How many jobs of a limited service this claim may take, at most _wanted, now that the worker runs _running of them
-- (counted where it does not say). Enlarges the worker's share where there are free slots. Waits for nobody: what
-- another claim is busy with counts as taken.
CREATE OR REPLACE FUNCTION jobs.limit_room(_worker uuid, _limit_code integer, _wanted integer, _running integer) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _limit jobs.tb_limit;
    _slots integer;
    _bound_at timestamptz;
    _room integer := _wanted;
    _grant integer;
BEGIN
    SELECT l.* INTO _limit FROM jobs.tb_limit AS l WHERE l.code = _limit_code;
    IF _limit.concurrency IS NOT NULL THEN
        -- Locked, so that nobody takes the share away before these leases are there to be seen, and no other claim or
        -- fallback of this worker takes the same slots meanwhile.
        SELECT s.slots, s.bound_at INTO _slots, _bound_at
        FROM jobs.tb_limit_share AS s
        WHERE s.limit_code = _limit_code AND s.worker = _worker
        FOR UPDATE SKIP LOCKED;
        IF NOT FOUND AND EXISTS (
            SELECT FROM jobs.tb_limit_share AS s WHERE s.limit_code = _limit_code AND s.worker = _worker)
        THEN
            RETURN 0;
        END IF;
        -- The worker may have counted before a fallback of its own took a slot: longer ago than any claim takes.
        IF _running IS NULL OR _bound_at > clock_timestamp() - interval '15 seconds' THEN
            _running := greatest(_running, jobs.running(_worker, _limit_code));
        END IF;
        _room := coalesce(_slots, 0) - _running;
        IF _room < _wanted THEN
            PERFORM FROM jobs.tb_limit AS l WHERE l.code = _limit_code FOR UPDATE SKIP LOCKED;
            IF FOUND THEN
                -- A statement of its own: it sees the shares as they are under the lock.
                SELECT least(_limit.concurrency - coalesce(sum(s.slots), 0), _wanted - _room)::integer INTO _grant
                FROM jobs.tb_limit_share AS s
                WHERE s.limit_code = _limit_code;
                IF _grant > 0 THEN
                    INSERT INTO jobs.tb_limit_share AS s (limit_code, worker, slots) VALUES (_limit_code, _worker, _grant)
                    ON CONFLICT (limit_code, worker) DO UPDATE SET slots = s.slots + excluded.slots;
                    _room := _room + _grant;
                END IF;
            END IF;
        END IF;
        _room := least(_room, _wanted);
    END IF;

    IF _limit.rate_starts IS NOT NULL AND _room > 0 THEN
        SELECT l.* INTO _limit FROM jobs.tb_limit AS l WHERE l.code = _limit_code FOR UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            RETURN 0;
        END IF;
        _room := least(_room, jobs.starts_free(_limit, clock_timestamp()));
    END IF;
    RETURN greatest(_room, 0);
END
$$;

-- object: function jobs.start_interval_ms(jobs.tb_limit)
-- drop: DROP FUNCTION jobs.start_interval_ms(jobs.tb_limit)
-- Milliseconds between two starts at the full rate.
CREATE OR REPLACE FUNCTION jobs.start_interval_ms(_limit jobs.tb_limit) RETURNS double precision
LANGUAGE sql IMMUTABLE AS $$
    SELECT _limit.rate_period_ms::double precision / _limit.rate_starts
$$;

-- object: function jobs.start_burst(jobs.tb_limit)
-- drop: DROP FUNCTION jobs.start_burst(jobs.tb_limit)
-- Starts that may come at once after a quiet time: a tenth of those of a period, so that no period sees more than a
-- tenth above the rate.
CREATE OR REPLACE FUNCTION jobs.start_burst(_limit jobs.tb_limit) RETURNS integer
LANGUAGE sql IMMUTABLE AS $$
    SELECT greatest(_limit.rate_starts / 10, 1)
$$;

-- object: function jobs.starts_free(jobs.tb_limit, timestamptz)
-- drop: DROP FUNCTION jobs.starts_free(jobs.tb_limit, timestamptz)
-- How many starts the rate allows at a moment.
CREATE OR REPLACE FUNCTION jobs.starts_free(_limit jobs.tb_limit, _now timestamptz) RETURNS integer
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT greatest(jobs.start_burst(_limit) - ceil(
        extract(epoch FROM greatest(_limit.next_start_at, _now) - _now) * 1000 / jobs.start_interval_ms(_limit)), 0)::integer
$$;

-- object: function jobs.count_starts(integer, integer)
-- drop: DROP FUNCTION jobs.count_starts(integer, integer)
-- Counts starts against the rate of a limit, whose row the caller has locked.
CREATE OR REPLACE FUNCTION jobs.count_starts(_limit_code integer, _starts integer) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE jobs.tb_limit AS l
    SET next_start_at = greatest(l.next_start_at, clock_timestamp())
        + make_interval(secs => _starts * jobs.start_interval_ms(l) / 1000)
    WHERE l.code = _limit_code AND l.rate_starts IS NOT NULL;
END
$$;

-- object: function jobs.next_start()
-- drop: DROP FUNCTION jobs.next_start()
-- When a rate that holds jobs back allows as many starts as it ever does; NULL where none does. One look a lane: as a join,
-- it would be planned over all ready jobs.
CREATE OR REPLACE FUNCTION jobs.next_start() RETURNS timestamptz
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
BEGIN
    RETURN (
        SELECT min(l.next_start_at)
        FROM jobs.tb_limit AS l
        JOIN jobs.tb_operation AS o ON o.limit_code = l.code
        WHERE l.rate_starts IS NOT NULL AND l.next_start_at > clock_timestamp()
            AND (
                SELECT true FROM jobs.tb_job_ready AS r
                WHERE r.lane >= o.code::bigint << 43 AND r.lane < (o.code + 1)::bigint << 43
                LIMIT 1));
END
$$;

-- object: function jobs.trim_shares(uuid, integer[], integer[])
-- drop: DROP FUNCTION jobs.trim_shares(uuid, integer[], integer[])
-- Gives slots back that a worker no longer needs: it keeps as many as it says, and never fewer than it uses.
CREATE OR REPLACE FUNCTION jobs.trim_shares(_worker uuid, _limits integer[], _keep integer[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    _locked integer[];
    _freed integer;
BEGIN
    -- First the locks, then the count: no claim adds to it in between.
    _locked := ARRAY(
        SELECT s.limit_code
        FROM jobs.tb_limit_share AS s
        JOIN unnest(_limits, _keep) AS g (code, keep) ON g.code = s.limit_code
        WHERE s.worker = _worker AND s.slots > g.keep
        ORDER BY s.limit_code
        FOR UPDATE OF s SKIP LOCKED);
    IF _locked = '{}' THEN
        RETURN 0;
    END IF;
    WITH used AS (
        SELECT s.limit_code, greatest(g.keep, jobs.running(_worker, s.limit_code)) AS slots
        FROM jobs.tb_limit_share AS s
        JOIN unnest(_limits, _keep) AS g (code, keep) ON g.code = s.limit_code
        WHERE s.worker = _worker AND s.limit_code = ANY (_locked)),
    dropped AS (
        DELETE FROM jobs.tb_limit_share AS s USING used AS u
        WHERE s.worker = _worker AND s.limit_code = u.limit_code AND u.slots = 0
        RETURNING s.limit_code),
    trimmed AS (
        UPDATE jobs.tb_limit_share AS s SET slots = u.slots FROM used AS u
        WHERE s.worker = _worker AND s.limit_code = u.limit_code AND u.slots > 0 AND u.slots < s.slots
        RETURNING s.limit_code)
    SELECT (SELECT count(*)::integer FROM dropped) + (SELECT count(*)::integer FROM trimmed) INTO _freed;
    IF _freed > 0 THEN
        PERFORM jobs.wake_workers();
    END IF;
    RETURN _freed;
END
$$;

-- object: function jobs.free_shares()
-- drop: DROP FUNCTION jobs.free_shares()
-- Takes the shares of workers that are gone: no sign of life for ten seconds, and no lease that could still be its own.
CREATE OR REPLACE FUNCTION jobs.free_shares() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _gone tid[];
BEGIN
    -- First the locks, as in jobs.trim_shares.
    _gone := ARRAY(
        SELECT s.ctid
        FROM jobs.tb_limit_share AS s
        WHERE NOT EXISTS (
            SELECT FROM jobs.tb_worker AS w
            WHERE w.id = s.worker AND w.heartbeat_at > clock_timestamp() - interval '10 seconds')
        ORDER BY s.limit_code, s.worker
        FOR UPDATE OF s SKIP LOCKED);
    IF _gone <> '{}' THEN
        DELETE FROM jobs.tb_limit_share AS s
        WHERE s.ctid = ANY (_gone) AND NOT EXISTS (
            SELECT FROM jobs.tb_job_lease AS l
            WHERE l.worker_code = (SELECT w.code FROM jobs.tb_worker_code AS w WHERE w.id = s.worker));
        IF FOUND THEN
            PERFORM jobs.wake_workers();
        END IF;
    END IF;

    -- A worker that started before its service had a limit does not know what it holds.
    IF cardinality(jobs.live_registries()) > 1 THEN
        PERFORM jobs.trim_shares(s.worker, array_agg(s.limit_code), array_fill(0, ARRAY[count(*)::integer]))
        FROM jobs.tb_limit_share AS s
        JOIN jobs.tb_limit AS l ON l.code = s.limit_code
        JOIN jobs.tb_worker AS w ON w.id = s.worker
        JOIN jobs.tb_registry AS r ON r.code = w.registry
        WHERE NOT EXISTS (
            SELECT FROM jobs.read_registry(r.operations) AS o
            WHERE o.service_name = l.service_name AND (o.concurrency IS NOT NULL OR o.rate_starts IS NOT NULL))
        GROUP BY s.worker;
    END IF;
END
$$;
