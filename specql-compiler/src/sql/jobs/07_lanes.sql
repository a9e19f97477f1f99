-- object: function jobs.open_operations(uuid, integer[], integer[], integer[])
-- drop: DROP FUNCTION jobs.open_operations(uuid, integer[], integer[], integer[])
-- Those of a worker's operations that have jobs in lanes of their own, in the order of their codes, without those that a
-- pause, a breaker or a limit that is used up holds back whole: no lane of theirs need be looked at. An index lookup for
-- each, however many lanes there are; what others serve is passed over in one step. Nothing is locked, so a limit and a
-- breaker have the last word when a job is picked.
CREATE OR REPLACE FUNCTION jobs.open_operations(_worker uuid, _operations integer[], _limits integer[], _running integer[])
RETURNS TABLE (code integer, limit_code integer, has_breaker boolean, has_fallback boolean)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _sorted integer[] := ARRAY(SELECT s.code FROM unnest(_operations) AS s (code) ORDER BY s.code);
BEGIN
    RETURN QUERY
    WITH RECURSIVE met AS (
        (SELECT (r.lane >> 43)::integer AS code
        FROM jobs.tb_job_ready AS r
        WHERE r.lane >= _sorted[1]::bigint << 43
        ORDER BY r.lane
        LIMIT 1)
        UNION ALL
        SELECT next.code
        FROM met AS m
        CROSS JOIN LATERAL (
            SELECT (r.lane >> 43)::integer AS code
            FROM jobs.tb_job_ready AS r
            WHERE r.lane >= _sorted[width_bucket(m.code, _sorted) + 1]::bigint << 43
            ORDER BY r.lane
            LIMIT 1) AS next)
    SELECT o.code, o.limit_code, o.has_breaker, o.has_fallback
    FROM met AS m
    JOIN jobs.tb_operation AS o ON o.code = m.code
    WHERE o.code = ANY (_sorted)
        AND NOT EXISTS (
            SELECT FROM jobs.tb_pause AS p
            WHERE p.tenant_id IS NULL
                AND (p.service_name IS NULL OR p.service_name = o.service_name)
                AND (p.operation IS NULL OR p.operation = o.operation)
                AND (p.execution_type IS NULL OR p.execution_type = o.execution_type))
        AND NOT (o.has_breaker AND NOT o.has_fallback AND EXISTS (
            SELECT FROM jobs.tb_circuit_breaker AS b
            WHERE b.operation_code = o.code
                AND (b.state = 'open' AND b.open_until > clock_timestamp()
                    OR b.state = 'half_open' AND b.probe_until > clock_timestamp())))
        AND NOT coalesce(jobs.limit_is_used_up(_worker, o.limit_code, CASE WHEN _limits IS NOT NULL
            THEN _running[array_position(_limits, o.limit_code)] END), false)
    ORDER BY o.code;
END
$$;

-- object: function jobs.lane_heads(bigint, bigint, integer[], integer)
-- drop: DROP FUNCTION jobs.lane_heads(bigint, bigint, integer[], integer)
-- The first job of each lane after _from up to _to, at most so many lanes: an index lookup for each, however long the
-- lanes are. Only lanes of the given operations, in the order of their codes (0: the shared lanes); one that comes upon
-- another operation is given too, and the next is behind all lanes of that.
CREATE OR REPLACE FUNCTION jobs.lane_heads(_from bigint, _to bigint, _operations integer[], _most integer)
RETURNS TABLE (lane bigint, rank integer)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    WITH RECURSIVE heads AS (
        (SELECT r.lane, r.rank, 1 AS place
        FROM jobs.tb_job_ready AS r
        WHERE r.lane > _from AND r.lane <= _to AND _most > 0
        ORDER BY r.lane, r.rank, r.pk_job_run
        LIMIT 1)
        UNION ALL
        SELECT next.lane, next.rank, h.place + 1
        FROM heads AS h
        CROSS JOIN LATERAL (
            SELECT r.lane, r.rank
            FROM jobs.tb_job_ready AS r
            WHERE r.lane > CASE WHEN (h.lane >> 43)::integer = ANY (_operations) THEN h.lane
                    ELSE (_operations[width_bucket((h.lane >> 43)::integer, _operations) + 1]::bigint << 43) - 1 END
                AND r.lane <= _to
            ORDER BY r.lane, r.rank, r.pk_job_run
            LIMIT 1) AS next
        WHERE h.place < _most)
    SELECT h.lane, h.rank FROM heads AS h ORDER BY h.place;
END
$$;

-- object: function jobs.lanes_in_turn(bigint, bigint, integer, bigint, integer[], integer)
-- drop: DROP FUNCTION jobs.lanes_in_turn(bigint, bigint, integer, bigint, integer[], integer)
-- The lanes of these operations (0: the shared lanes) that have jobs, behind _cursor and up to _stop, which is the way round
-- past the end where it does not lie behind; at most so many. Tenant after tenant, and of one tenant those with the most
-- urgent job first. Lane 0 is looked at behind the given job alone. `place` is a lane's place in the index's order,
-- `before` the lane before its tenant's first; `open` says that no pause of a tenant holds it (that none holds these
-- operations whole is known), and is false of other operations' lanes.
CREATE OR REPLACE FUNCTION jobs.lanes_in_turn(
    _cursor bigint, _stop bigint, _after_rank integer, _after_pk bigint, _operations integer[], _most integer)
RETURNS TABLE (lane bigint, tenant bigint, operation_code integer, weight integer, open boolean, place bigint, before bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _round boolean := _stop <= _cursor;
BEGIN
    RETURN QUERY
    WITH ahead AS MATERIALIZED (
        SELECT h.lane, h.rank, h.place
        FROM jobs.lane_heads(_cursor, CASE WHEN _round THEN 9223372036854775807 ELSE _stop END, _operations, _most)
            WITH ORDINALITY AS h (lane, rank, place)),
    shared AS MATERIALIZED (
        SELECT r.lane, r.rank
        FROM jobs.tb_job_ready AS r
        WHERE _round AND 0 = ANY (_operations) AND (SELECT count(*) FROM ahead) < _most
            AND r.lane = 0 AND (r.rank, r.pk_job_run) > (_after_rank, _after_pk)
        ORDER BY r.rank, r.pk_job_run
        LIMIT 1),
    from_start AS MATERIALIZED (
        SELECT h.lane, h.rank, h.place
        FROM jobs.lane_heads(0, CASE WHEN _round THEN _stop ELSE 0 END, _operations,
            _most - ((SELECT count(*) FROM ahead) + (SELECT count(*) FROM shared))::integer)
            WITH ORDINALITY AS h (lane, rank, place)),
    heads AS (
        SELECT a.lane, a.rank, a.place FROM ahead AS a
        UNION ALL SELECT s.lane, s.rank, _most FROM shared AS s
        UNION ALL SELECT f.lane, f.rank, _most + f.place FROM from_start AS f),
    lanes AS MATERIALIZED (
        SELECT h.lane, h.rank, h.place, h.lane & 8796093022207 AS tenant, (h.lane >> 43)::integer AS code,
            lag(h.lane) OVER (ORDER BY h.place) AS before
        FROM heads AS h),
    paused AS (
        SELECT DISTINCT l.lane
        FROM lanes AS l
        JOIN jobs.tb_pause AS p ON jobs.tenant_lane(p.tenant_id) = l.tenant
        LEFT JOIN jobs.tb_operation AS o ON o.code = l.code
        -- A pause that names a service or a type gives the operations lanes of their own.
        WHERE (p.service_name IS NULL OR p.service_name = o.service_name)
            AND (p.operation IS NULL OR p.operation = o.operation)
            AND (p.execution_type IS NULL OR p.execution_type = o.execution_type)
            AND p.tenant_id IS NOT NULL)
    SELECT l.lane, l.tenant, l.code, coalesce(w.weight, 1), l.code = ANY (_operations) AND p.lane IS NULL,
        l.place, first_value(l.before) OVER of_tenant
    FROM lanes AS l
    LEFT JOIN paused AS p ON p.lane = l.lane
    LEFT JOIN jobs.tb_tenant_weight AS w ON jobs.tenant_lane(w.tenant_id) = l.tenant
    WINDOW of_tenant AS (PARTITION BY l.tenant ORDER BY l.place)
    ORDER BY first_value(l.place) OVER of_tenant, l.tenant, l.rank, l.place;
END
$$;

-- object: function jobs.pick_lanes(uuid, integer[], integer[], integer, integer, bigint, integer[], integer[])
-- drop: DROP FUNCTION jobs.pick_lanes(uuid, integer[], integer[], integer, integer, bigint, integer[], integer[])
-- Shares a claim out between lanes, and locks what it picks. Each tenant gets its share by weight, at least one job, so
-- that one with a million jobs does not delay another's one; what a tenant leaves goes to the others. A tenant's own
-- jobs go by priority. Of a limited service no more are taken than there is room for; of an operation whose breaker is
-- open none, or the one that finds out whether it works again. The last job of lane 0 among them is given too.
--
-- Some hundred lanes at a time, behind those that were served last, until the claim is full or has come round. After
-- a few thousand it stops (`partial`), and the worker's next claim goes on from there, to where this one began.
-- `shared_seen`: lane 0 was looked at.
CREATE OR REPLACE FUNCTION jobs.pick_lanes(
    _worker uuid, _operations integer[], _shared integer[], _limit integer, _after_rank integer, _after_pk bigint,
    _limits integer[], _running integer[],
    OUT places tid[], OUT last_rank integer, OUT last_pk bigint, OUT probing integer[], OUT broken integer[],
    OUT partial boolean, OUT shared_seen boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_nestloop = on SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    _at_once integer := 128;
    _at_most CONSTANT integer := 2048;
    _looked_at integer := 0;
    _round_of text[] := string_to_array(current_setting('specql.lane', true), ',');
    _cursor bigint := coalesce(CASE WHEN _round_of[1] = _worker::text THEN _round_of[2]::bigint END, 0);
    _stop bigint := coalesce(CASE WHEN _round_of[1] = _worker::text THEN _round_of[3]::bigint END, _cursor);
    -- The operations whose lanes are looked at (0: the shared lanes), and what is known of each.
    _open integer[];
    _known integer[] := '{}'::integer[];
    _known_limits integer[];
    _have_breaker boolean[];
    _fall_back boolean[];
    _breakers text[];
    -- Those of which no more may be taken.
    _closed integer[] := '{}'::integer[];
    -- The lanes that are looked at now, and how far each has been taken.
    _lanes bigint[];
    _tenants bigint[];
    _codes integer[];
    _weights integer[];
    _befores bigint[];
    _ranks integer[];
    _pks bigint[];
    _last_lane bigint;
    _found integer;
    _total integer;
    _tenant bigint;
    _quota integer;
    _wanted integer;
    -- Behind which lane the next claim begins, where this one is full.
    _next bigint;
    _operation integer;
    _limit_code integer;
    _breaker text;
    -- The limits that were met, the room they had, whether there is more, and what was taken of it.
    _met integer[] := '{}'::integer[];
    _rooms integer[] := '{}'::integer[];
    _spent boolean[] := '{}'::boolean[];
    _taken integer[] := '{}'::integer[];
    _slot integer;
    _got tid[];
    _last bigint[];
BEGIN
    places := '{}'::tid[];
    probing := '{}'::integer[];
    broken := '{}'::integer[];
    partial := false;
    shared_seen := false;
    IF EXISTS (SELECT FROM jobs.tb_job_ready AS r WHERE r.lane >= 8796093022208) THEN
        SELECT coalesce(array_agg(o.code), '{}'), array_agg(o.limit_code), array_agg(o.has_breaker), array_agg(o.has_fallback),
            array_agg(NULL::text)
        INTO _known, _known_limits, _have_breaker, _fall_back, _breakers
        FROM jobs.open_operations(_worker, _operations, _limits, _running) AS o;
    END IF;
    _open := CASE WHEN _shared <> '{}' THEN ARRAY[0] ELSE '{}'::integer[] END || _known;

    LOOP
        -- None of these may have an order of its own: from PostgreSQL 16 on it would become that of all.
        SELECT array_agg(l.lane) FILTER (WHERE l.open), array_agg(l.tenant) FILTER (WHERE l.open),
            array_agg(l.operation_code) FILTER (WHERE l.open), array_agg(l.weight) FILTER (WHERE l.open),
            array_agg(l.before) FILTER (WHERE l.open), (max(ARRAY[l.place, l.lane]))[2], count(*)::integer
        INTO _lanes, _tenants, _codes, _weights, _befores, _last_lane, _found
        FROM jobs.lanes_in_turn(_cursor, _stop, _after_rank, _after_pk, _open, _at_once) AS l;
        _looked_at := _looked_at + _found;
        _next := NULL;
        SELECT sum(w.weight)::integer INTO _total
        FROM (SELECT DISTINCT t.tenant, t.weight FROM unnest(_tenants, _weights) AS t (tenant, weight)) AS w;
        _ranks := array_fill(-2147483648, ARRAY[coalesce(cardinality(_lanes), 0)]);
        _pks := array_fill(0::bigint, ARRAY[coalesce(cardinality(_lanes), 0)]);

        -- First by shares, then whatever is left.
        FOR _pass IN 1..2 LOOP
            _tenant := NULL;
            FOR _index IN 1..coalesce(cardinality(_lanes), 0) LOOP
                IF _tenants[_index] IS DISTINCT FROM _tenant THEN
                    IF cardinality(places) >= _limit THEN
                        IF _pass = 1 THEN
                            -- With the first tenant that was offered nothing.
                            _next := _befores[_index];
                        END IF;
                        EXIT;
                    END IF;
                    _tenant := _tenants[_index];
                    _quota := CASE _pass WHEN 1 THEN greatest(_limit * _weights[_index] / _total, 1) ELSE _limit END;
                END IF;
                _wanted := least(_quota, _limit - cardinality(places));
                CONTINUE WHEN _wanted <= 0 OR _codes[_index] = ANY (_closed);

                _limit_code := NULL;
                _breaker := NULL;
                IF _codes[_index] > 0 THEN
                    _operation := array_position(_known, _codes[_index]);
                    _limit_code := _known_limits[_operation];
                    IF _have_breaker[_operation] THEN
                        _breakers[_operation] := coalesce(_breakers[_operation], jobs.breaker_state(_codes[_index]), 'closed');
                        _breaker := _breakers[_operation];
                        IF _breaker = 'open' AND NOT _fall_back[_operation] THEN
                            _closed := _closed || _codes[_index];
                            CONTINUE;
                        ELSIF _breaker = 'probe' THEN
                            _wanted := 1;
                        END IF;
                    END IF;
                END IF;
                IF _limit_code IS NOT NULL THEN
                    _slot := array_position(_met, _limit_code);
                    IF _slot IS NULL THEN
                        _met := _met || _limit_code;
                        _slot := cardinality(_met);
                        _taken[_slot] := 0;
                        _rooms[_slot] := 0;
                        _spent[_slot] := false;
                    END IF;
                    IF NOT _spent[_slot] AND _rooms[_slot] < _taken[_slot] + _wanted THEN
                        -- No larger a share than there are jobs for, besides those picked before: others may need it.
                        _wanted := (SELECT count(*)::integer FROM (
                            SELECT FROM jobs.tb_job_ready AS r
                            WHERE r.lane = _lanes[_index] AND (r.rank, r.pk_job_run) > (_ranks[_index], _pks[_index])
                            LIMIT _wanted) AS waiting);
                        CONTINUE WHEN _wanted = 0;
                        _rooms[_slot] := jobs.limit_room(_worker, _limit_code, _taken[_slot] + _wanted,
                            CASE WHEN _limits IS NOT NULL THEN _running[array_position(_limits, _limit_code)] END);
                        _spent[_slot] := _rooms[_slot] < _taken[_slot] + _wanted;
                    END IF;
                    _wanted := least(_wanted, _rooms[_slot] - _taken[_slot]);
                    IF _wanted <= 0 THEN
                        _closed := _closed || _codes[_index];
                        CONTINUE;
                    END IF;
                END IF;

                IF _lanes[_index] = 0 THEN
                    shared_seen := true;
                    IF _pass = 1 THEN
                        _ranks[_index] := _after_rank;
                        _pks[_index] := _after_pk;
                    END IF;
                END IF;
                SELECT array_agg(p.place), max(ARRAY[p.rank::bigint, p.pk_job_run])
                INTO _got, _last
                FROM (
                    SELECT r.ctid AS place, r.rank, r.pk_job_run
                    FROM jobs.tb_job_ready AS r
                    WHERE r.lane = _lanes[_index] AND (r.rank, r.pk_job_run) > (_ranks[_index], _pks[_index])
                        AND r.operation_code = ANY (CASE WHEN _codes[_index] > 0 THEN _operations ELSE _shared END)
                    ORDER BY r.rank, r.pk_job_run
                    FOR UPDATE SKIP LOCKED
                    LIMIT _wanted) AS p;
                CONTINUE WHEN _got IS NULL;
                _ranks[_index] := _last[1]::integer;
                _pks[_index] := _last[2];
                IF _lanes[_index] = 0 THEN
                    last_rank := _ranks[_index];
                    last_pk := _pks[_index];
                END IF;
                IF _pass = 1 THEN
                    -- Else with the lanes behind the one that was served last: its tenant may have others, which got nothing.
                    _next := _lanes[_index];
                END IF;
                _quota := _quota - cardinality(_got);
                places := places || _got;
                IF _limit_code IS NOT NULL THEN
                    _taken[_slot] := _taken[_slot] + cardinality(_got);
                END IF;
                IF _breaker = 'probe' THEN
                    PERFORM jobs.begin_probe(_worker, _codes[_index]);
                    probing := probing || _codes[_index];
                    _closed := _closed || _codes[_index];
                ELSIF _breaker = 'open' AND _codes[_index] <> ALL (broken) THEN
                    broken := broken || _codes[_index];
                END IF;
            END LOOP;
        END LOOP;

        IF cardinality(places) >= _limit THEN
            _cursor := coalesce(_next, _last_lane);
            EXIT;
        END IF;
        _cursor := coalesce(_last_lane, _cursor);
        IF _found < _at_once OR _last_lane = _stop THEN
            shared_seen := true;
            EXIT;
        END IF;
        partial := _looked_at >= _at_most;
        EXIT WHEN partial;
        _at_once := 512;
        _open := ARRAY(SELECT o.code FROM unnest(_open) AS o (code) WHERE o.code <> ALL (_closed) ORDER BY o.code);
    END LOOP;

    PERFORM set_config('specql.lane', concat_ws(',', _worker, _cursor, CASE WHEN partial THEN _stop END), false);
    PERFORM jobs.count_starts(m.code, m.taken) FROM unnest(_met, _taken) AS m (code, taken) WHERE m.taken > 0;
END
$$;
