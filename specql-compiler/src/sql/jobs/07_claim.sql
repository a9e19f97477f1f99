-- object: function jobs.claim(uuid, integer[], integer, boolean, integer[], integer[])
-- drop: DROP FUNCTION jobs.claim(uuid, integer[], integer, boolean, integer[], integer[])
-- Takes the next jobs of the given operations. Must be a transaction of its own: it decides how that is flushed.
--
-- Mostly all jobs stand in lane 0, and one scan finds them. It begins behind the last job that this connection claimed for
-- this worker, so that the dead entries which an old snapshot keeps at the head of the index are not read again and
-- again. A job may become visible before that place (a higher priority, a slower transaction); _full_scan finds it, and a
-- worker asks for that when it is woken and once a second. Where dead entries have made that dear, it begins at the place
-- of a quarter of a second ago instead, and at the head no more often than costs a twentieth of the time. Where there are
-- other lanes, jobs.pick_lanes shares the claim out. Of very many it looks at a part: then the setting
-- specql.claim_partial is 'true' until this connection's next claim, and the worker should claim again at once.
--
-- _running says how many jobs of each of _limits the worker has; without them they are counted.
--
-- To lock each job before it is taken is a fifth of what a claim writes. Where no other claim is under way, and nobody has
-- touched the first jobs of lane 0, they are taken without. Should somebody touch one at that very moment, the claim gives up
-- after half a second for each lock (lock_not_available), and the next one passes that job over.
--
-- Planner settings are pinned, as in jobs.complete_plain: the queue's size at the first claim says nothing about the
-- next, and compiling the plan to machine code takes half a second.
CREATE OR REPLACE FUNCTION jobs.claim(_worker uuid, _operations integer[], _limit integer, _full_scan boolean DEFAULT false,
    _limits integer[] DEFAULT NULL, _running integer[] DEFAULT NULL)
RETURNS TABLE (
    pk_job_run bigint, epoch integer, attempt integer, id uuid, operation_code integer, input_data jsonb, tenant_id uuid,
    correlation_id text, max_attempts integer, timeout_seconds integer, policy_hash text, trace_context text,
    bound_code integer, effect_possible boolean, breaker text, put_off integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_nestloop = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    _now timestamptz := clock_timestamp();
    -- Noted here, and not by functions of its own: to set the search path of one costs more than all of this.
    _mark jobs.watermark := nullif(current_setting('specql.watermark', true), '')::jobs.watermark;
    _after_rank integer := -2147483648;
    _after_pk bigint := 0::bigint;
    -- Those that something may hold back, which are never taken from where others stand.
    _held integer[] := ARRAY(
        SELECT o.code FROM jobs.tb_operation AS o
        WHERE o.own_lane AND NOT o.lane_for_workers AND o.code = ANY (_operations));
    _shared integer[] := _operations;
    _places tid[];
    _last_rank integer;
    _last_pk bigint;
    _probing integer[];
    _broken integer[];
    _partial boolean := false;
    _shared_seen boolean := true;
    _untouched boolean;
BEGIN
    IF _mark.worker IS DISTINCT FROM _worker THEN
        -- Its first claim over this connection.
        _mark := ROW(_worker, _after_rank, 0, _after_rank, 0, _after_rank, 0, _now, '-infinity', '0')::jobs.watermark;
    END IF;
    IF current_setting('specql.serving', true) IS DISTINCT FROM jobs.serving(_worker, _operations) THEN
        PERFORM jobs.note_operations(_worker, _operations);
    END IF;
    -- An earlier claim may have been full before it came to the shared lane.
    _full_scan := _full_scan OR coalesce(current_setting('specql.full_scan_due', true) = _worker::text, false);
    IF NOT _full_scan THEN
        _after_rank := _mark.rank;
        _after_pk := _mark.pk;
    ELSIF _mark.scan_took > interval '2 milliseconds' AND _now < _mark.scanned_at + 20 * _mark.scan_took THEN
        _after_rank := _mark.recent_rank;
        _after_pk := _mark.recent_pk;
    END IF;
    IF _held <> '{}' THEN
        _shared := ARRAY(SELECT o.code FROM unnest(_operations) AS o (code) WHERE o.code <> ALL (_held));
    END IF;

    IF EXISTS (SELECT FROM jobs.tb_job_ready AS r WHERE r.lane > 0) THEN
        SELECT p.places, p.last_rank, p.last_pk, p.probing, p.broken, p.partial, p.shared_seen
        INTO _places, _last_rank, _last_pk, _probing, _broken, _partial, _shared_seen
        FROM jobs.pick_lanes(_worker, _operations, _shared, _limit, _after_rank, _after_pk, _limits, _running) AS p;
    ELSE
        -- 'SpQL', and 4 for the claim that needs no locks.
        IF pg_try_advisory_xact_lock(1399869772, 4) THEN
            SELECT coalesce(array_agg(p.place), '{}'), max(p.rank), (array_agg(p.pk_job_run))[count(*)],
                coalesce(bool_and(p.untouched), true)
            INTO _places, _last_rank, _last_pk, _untouched
            FROM (
                SELECT r.ctid AS place, r.rank, r.pk_job_run, r.xmax = '0' AS untouched
                FROM jobs.tb_job_ready AS r
                WHERE r.lane = 0 AND (r.rank, r.pk_job_run) > (_after_rank, _after_pk) AND r.operation_code = ANY (_shared)
                ORDER BY r.rank, r.pk_job_run
                LIMIT _limit) AS p;
        END IF;
        IF _untouched IS NOT TRUE THEN
            SELECT coalesce(array_agg(p.place), '{}'), max(p.rank), (array_agg(p.pk_job_run))[count(*)]
            INTO _places, _last_rank, _last_pk
            FROM (
                SELECT r.ctid AS place, r.rank, r.pk_job_run
                FROM jobs.tb_job_ready AS r
                WHERE r.lane = 0 AND (r.rank, r.pk_job_run) > (_after_rank, _after_pk) AND r.operation_code = ANY (_shared)
                ORDER BY r.rank, r.pk_job_run
                FOR UPDATE SKIP LOCKED
                LIMIT _limit) AS p;
        END IF;
    END IF;
    -- Back only where jobs that became visible before it may be left.
    IF _last_rank IS NOT NULL
        AND (cardinality(_places) >= _limit OR (_last_rank, _last_pk) > (_mark.rank, _mark.pk))
    THEN
        _mark.rank := _last_rank;
        _mark.pk := _last_pk;
        IF (_last_rank, _last_pk) < (_mark.recent_rank, _mark.recent_pk) THEN
            _mark.recent_rank := _last_rank;
            _mark.recent_pk := _last_pk;
        END IF;
        IF (_last_rank, _last_pk) < (_mark.next_rank, _mark.next_pk) THEN
            _mark.next_rank := _last_rank;
            _mark.next_pk := _last_pk;
        END IF;
    END IF;
    IF _now > _mark.next_at + interval '250 milliseconds' THEN
        _mark.recent_rank := _mark.next_rank;
        _mark.recent_pk := _mark.next_pk;
        _mark.next_rank := _mark.rank;
        _mark.next_pk := _mark.pk;
        _mark.next_at := _now;
    END IF;
    IF _full_scan AND _shared_seen AND _after_rank = -2147483648 THEN
        _mark.scanned_at := _now;
        _mark.scan_took := clock_timestamp() - _now;
    END IF;
    PERFORM set_config('specql.watermark', _mark::text, false),
        CASE WHEN _untouched AND _places <> '{}' THEN set_config('lock_timeout', '500ms', true) END;
    IF NOT _shared_seen OR _partial OR current_setting('specql.full_scan_due', true) <> ''
        OR current_setting('specql.claim_partial', true) = 'true'
    THEN
        PERFORM set_config('specql.full_scan_due', CASE WHEN _full_scan AND NOT _shared_seen THEN _worker::text ELSE '' END, false),
            set_config('specql.claim_partial', _partial::text, false);
    END IF;
    IF _places = '{}' THEN
        RETURN;
    END IF;

    RETURN QUERY
    WITH taken AS (
        DELETE FROM jobs.tb_job_ready AS r
        -- One that was given a lane of its own since the look is claimed there.
        WHERE r.ctid = ANY (_places) AND (r.lane = 0 OR _untouched IS NOT TRUE)
        RETURNING r.lane, r.rank, r.pk_job_run, r.operation_code, coalesce(r.epoch, 0) + 1 AS epoch,
            coalesce(r.attempts, 0) + 1 AS attempt, r.crashes,
            r.bound_code, r.keyed, r.has_on_success, r.has_on_failure, r.effect_possible, r.put_off, r.first_tried_at),
    claimed AS (
        SELECT t.lane, t.rank, t.pk_job_run, t.operation_code, t.epoch, t.attempt, t.crashes,
            t.bound_code, t.keyed, t.has_on_success, t.has_on_failure, t.effect_possible, t.put_off, t.first_tried_at,
            j.id, j.input_data, j.tenant_id, j.correlation_id, j.trace_context, o.idempotent,
            CASE WHEN j.policy_code = o.policy_code THEN o.policy_hash
                WHEN j.policy_code IS NULL THEN j.policy_hash
                ELSE (SELECT p.policy_hash FROM jobs.tb_policy_code AS p WHERE p.code = j.policy_code)
            END AS policy_hash,
            coalesce(j.max_attempts, o.max_attempts) AS max_attempts,
            coalesce(j.timeout_seconds, o.timeout_seconds) AS timeout_seconds
        FROM taken AS t
        JOIN jobs.tb_operation AS o ON o.code = t.operation_code
        JOIN jobs.tb_job_run AS j ON j.pk_job_run = t.pk_job_run
        WHERE o.code = ANY (_operations) AND j.pk_job_run = ANY (ARRAY(SELECT t.pk_job_run FROM taken AS t))
            -- Says the same again, so that other partitions are not looked at.
            AND j.pk_job_run >= (SELECT min(t.pk_job_run) FROM taken AS t)
            AND j.pk_job_run <= (SELECT max(t.pk_job_run) FROM taken AS t)),
    leased AS (
        INSERT INTO jobs.tb_job_lease (pk_job_run, tenant_lane, rank, operation_code, epoch, attempt, worker_code, crashes,
            bound_code, claimed_at, keyed, has_on_success, has_on_failure, effect_possible, put_off, first_tried_at)
        SELECT c.pk_job_run, nullif(c.lane & 8796093022207, 0), nullif(c.rank, 0), c.operation_code, c.epoch, c.attempt,
            -- The function gives a code to a worker that has none yet.
            coalesce((SELECT w.code FROM jobs.tb_worker_code AS w WHERE w.id = _worker), jobs.worker_code(_worker)),
            c.crashes, -nullif(c.bound_code, 0), _now,
            c.keyed, c.has_on_success, c.has_on_failure, c.effect_possible, c.put_off, c.first_tried_at
        FROM claimed AS c),
    -- Here, in the statement, because a loop over its rows would cost more than the rest of it.
    noted AS MATERIALIZED (
        -- A claim that a crash of PostgreSQL loses is a second start. Where that is harmless nobody waits for the
        -- disk; where it is not, the claim is on disk before any call is made, whatever the server's default.
        SELECT set_config('synchronous_commit', CASE
            WHEN bool_and(c.idempotent) THEN 'off'
            WHEN current_setting('synchronous_commit') = 'off' THEN 'on'
            ELSE current_setting('synchronous_commit') END, true) AS flush
        FROM claimed AS c)
    SELECT c.pk_job_run, c.epoch, c.attempt, c.id, c.operation_code, c.input_data, c.tenant_id,
        c.correlation_id, c.max_attempts, c.timeout_seconds, c.policy_hash, c.trace_context,
        coalesce(c.bound_code, 0), coalesce(c.effect_possible, false),
        CASE WHEN c.operation_code = ANY (_probing) THEN 'probe' WHEN c.operation_code = ANY (_broken) THEN 'open' END,
        coalesce(c.put_off, 0)
    FROM claimed AS c
    CROSS JOIN noted AS n
    WHERE n.flush IS NOT NULL
    ORDER BY c.rank, c.pk_job_run;
END
$$;
COMMENT ON FUNCTION jobs.claim(uuid, integer[], integer, boolean, integer[], integer[]) IS
    'Takes the next jobs for a worker, each with a higher epoch than ever before.';
