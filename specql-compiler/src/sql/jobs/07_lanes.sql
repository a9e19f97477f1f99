-- object: function jobs.lane_heads(bigint, bigint, integer)
-- drop: DROP FUNCTION jobs.lane_heads(bigint, bigint, integer)
-- The first job of each lane after _from up to _to, at most so many lanes: an index lookup for each, however long the
-- lanes are.
CREATE OR REPLACE FUNCTION jobs.lane_heads(_from bigint, _to bigint, _most integer) RETURNS TABLE (lane bigint, rank integer)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    WITH RECURSIVE heads AS (
        (SELECT r.lane, r.rank, 1 AS place
        FROM jobs.tb_job_ready AS r
        WHERE r.lane > _from AND r.lane <= _to
        ORDER BY r.lane, r.rank, r.pk_job_run
        LIMIT 1)
        UNION ALL
        SELECT next.lane, next.rank, h.place + 1
        FROM heads AS h
        CROSS JOIN LATERAL (
            SELECT r.lane, r.rank
            FROM jobs.tb_job_ready AS r
            WHERE r.lane > h.lane AND r.lane <= _to
            ORDER BY r.lane, r.rank, r.pk_job_run
            LIMIT 1) AS next
        WHERE h.place < _most)
    SELECT h.lane, h.rank FROM heads AS h ORDER BY h.place;
END
$$;

-- object: function jobs.lanes_in_turn(bigint, integer, bigint, integer[], integer[])
-- drop: DROP FUNCTION jobs.lanes_in_turn(bigint, integer, bigint, integer[], integer[])
-- The lanes that have jobs, beginning behind the one that was served last: tenant after tenant, and of one tenant those
-- with the most urgent job first. Not all of very many: the next claim begins where this one ended. Lane 0 is looked at
-- behind the given job alone. The operation is 0 where several share the lane; open says whether a worker with these
-- operations may claim from it.
CREATE OR REPLACE FUNCTION jobs.lanes_in_turn(
    _cursor bigint, _after_rank integer, _after_pk bigint, _shared integer[], _own integer[])
RETURNS TABLE (lane bigint, tenant bigint, operation_code integer, weight integer, open boolean)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _most CONSTANT integer := 128;
BEGIN
    RETURN QUERY
    WITH ahead AS MATERIALIZED (
        SELECT h.lane, h.rank, h.place
        FROM jobs.lane_heads(_cursor, 9223372036854775807, _most) WITH ORDINALITY AS h (lane, rank, place)),
    from_start AS MATERIALIZED (
        SELECT h.lane, h.rank, h.place
        FROM jobs.lane_heads(0, _cursor, _most - (SELECT count(*) FROM ahead)::integer)
            WITH ORDINALITY AS h (lane, rank, place)),
    heads AS (
        SELECT a.lane, a.rank, a.place FROM ahead AS a
        UNION ALL
        (SELECT r.lane, r.rank, _most
        FROM jobs.tb_job_ready AS r
        WHERE r.lane = 0 AND (r.rank, r.pk_job_run) > (_after_rank, _after_pk)
        ORDER BY r.rank, r.pk_job_run
        LIMIT 1)
        UNION ALL
        SELECT f.lane, f.rank, _most + f.place FROM from_start AS f),
    lanes AS MATERIALIZED (
        SELECT h.lane, h.rank, h.place, h.lane & 8796093022207 AS tenant, (h.lane >> 43)::integer AS code FROM heads AS h)
    SELECT l.lane, l.tenant, l.code, coalesce(w.weight, 1),
        CASE WHEN l.code = 0 THEN _shared <> '{}' ELSE l.code = ANY (_own) END
            AND NOT EXISTS (
                SELECT FROM jobs.tb_pause AS p
                -- A pause that names a service or a type gives the operations lanes of their own.
                WHERE (p.service_name IS NULL OR p.service_name = o.service_name)
                    AND (p.operation IS NULL OR p.operation = o.operation)
                    AND (p.execution_type IS NULL OR p.execution_type = o.execution_type)
                    AND (p.tenant_id IS NULL OR jobs.tenant_lane(p.tenant_id) = l.tenant))
    FROM lanes AS l
    LEFT JOIN jobs.tb_operation AS o ON o.code = l.code
    LEFT JOIN jobs.tb_tenant_weight AS w ON jobs.tenant_lane(w.tenant_id) = l.tenant
    ORDER BY min(l.place) OVER (PARTITION BY l.tenant), l.tenant, l.rank, l.place;
END
$$;

-- object: function jobs.pick_lanes(uuid, integer[], integer[], integer, integer, bigint, integer[], integer[])
-- drop: DROP FUNCTION jobs.pick_lanes(uuid, integer[], integer[], integer, integer, bigint, integer[], integer[])
-- Shares a claim out between lanes, and locks what it picks. Each tenant gets its share by weight, at least one job, so
-- that one with a million jobs does not delay another's one; what a tenant leaves goes to the others. A tenant's own
-- jobs go by priority. Of a limited service no more are taken than there is room for; of an operation whose breaker is
-- open none, or the one that finds out whether it works again. The last job of lane 0 among them is given too.
CREATE OR REPLACE FUNCTION jobs.pick_lanes(
    _worker uuid, _shared integer[], _own integer[], _limit integer, _after_rank integer, _after_pk bigint,
    _limits integer[], _running integer[],
    OUT places tid[], OUT last_rank integer, OUT last_pk bigint, OUT probing integer[], OUT broken integer[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_nestloop = on SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    _served text[] := string_to_array(current_setting('specql.lane', true), ',');
    _cursor bigint := coalesce(CASE WHEN _served[1] = _worker::text THEN _served[2]::bigint END, 0);
    -- The lanes, and how far each has been taken.
    _lanes bigint[];
    _tenants bigint[];
    _codes integer[];
    _weights integer[];
    _ranks integer[];
    _pks bigint[];
    _furthest bigint;
    _total integer;
    _tenant bigint;
    _quota integer;
    _wanted integer;
    _limit_code integer;
    _falls_back boolean;
    _breaker text;
    -- The limits that were met, the room they had, and what was taken of it.
    _met integer[] := '{}'::integer[];
    _rooms integer[] := '{}'::integer[];
    _taken integer[] := '{}'::integer[];
    _slot integer;
    _got tid[];
    _last bigint[];
BEGIN
    places := '{}'::tid[];
    probing := '{}'::integer[];
    broken := '{}'::integer[];
    SELECT array_agg(l.lane) FILTER (WHERE l.open), array_agg(l.tenant) FILTER (WHERE l.open),
        array_agg(l.operation_code) FILTER (WHERE l.open), array_agg(l.weight) FILTER (WHERE l.open),
        (array_agg(l.lane))[count(*)]
    INTO _lanes, _tenants, _codes, _weights, _furthest
    FROM jobs.lanes_in_turn(_cursor, _after_rank, _after_pk, _shared, _own) AS l;
    _furthest := coalesce(_furthest, _cursor);
    IF _lanes IS NULL THEN
        -- Others have taken everything, or all of it is held back: the next claim looks further on.
        PERFORM set_config('specql.lane', concat_ws(',', _worker, _furthest), false);
        RETURN;
    END IF;
    SELECT sum(w.weight)::integer INTO _total
    FROM (SELECT DISTINCT t.tenant, t.weight FROM unnest(_tenants, _weights) AS t (tenant, weight)) AS w;
    _ranks := array_fill(-2147483648, ARRAY[cardinality(_lanes)]);
    _pks := array_fill(0::bigint, ARRAY[cardinality(_lanes)]);

    -- First by shares, then whatever is left.
    FOR _round IN 1..2 LOOP
        _tenant := NULL;
        FOR _index IN 1..cardinality(_lanes) LOOP
            EXIT WHEN cardinality(places) >= _limit;
            IF _tenants[_index] IS DISTINCT FROM _tenant THEN
                _tenant := _tenants[_index];
                _quota := CASE _round WHEN 1 THEN greatest(_limit * _weights[_index] / _total, 1) ELSE _limit END;
            END IF;
            _wanted := least(_quota, _limit - cardinality(places));
            CONTINUE WHEN _wanted <= 0 OR _codes[_index] = ANY (probing);

            _limit_code := NULL;
            _breaker := NULL;
            IF _codes[_index] > 0 THEN
                SELECT o.limit_code, o.has_fallback, CASE WHEN o.has_breaker THEN jobs.breaker_state(o.code) END
                INTO _limit_code, _falls_back, _breaker
                FROM jobs.tb_operation AS o
                WHERE o.code = _codes[_index];
                CONTINUE WHEN _breaker = 'open' AND NOT _falls_back;
                IF _breaker = 'probe' THEN
                    _wanted := 1;
                END IF;
            END IF;
            IF _limit_code IS NOT NULL THEN
                _slot := array_position(_met, _limit_code);
                IF _slot IS NULL THEN
                    _met := _met || _limit_code;
                    _slot := cardinality(_met);
                    _taken[_slot] := 0;
                    _rooms[_slot] := 0;
                END IF;
                -- No larger a share than there are jobs for, besides those picked in the first round: others may need it.
                _wanted := (SELECT count(*)::integer FROM (
                    SELECT FROM jobs.tb_job_ready AS r
                    WHERE r.lane = _lanes[_index] AND (r.rank, r.pk_job_run) > (_ranks[_index], _pks[_index])
                    LIMIT _wanted) AS waiting);
                IF _rooms[_slot] < _taken[_slot] + _wanted THEN
                    _rooms[_slot] := jobs.limit_room(_worker, _limit_code, _taken[_slot] + _wanted,
                        -- NULL, and counted, where the worker started before the service had a limit.
                        _running[array_position(_limits, _limit_code)]);
                END IF;
                _wanted := least(_wanted, _rooms[_slot] - _taken[_slot]);
                CONTINUE WHEN _wanted <= 0;
            END IF;

            IF _round = 1 AND _lanes[_index] = 0 THEN
                _ranks[_index] := _after_rank;
                _pks[_index] := _after_pk;
            END IF;
            SELECT array_agg(p.place), max(ARRAY[p.rank::bigint, p.pk_job_run])
            INTO _got, _last
            FROM (
                SELECT r.ctid AS place, r.rank, r.pk_job_run
                FROM jobs.tb_job_ready AS r
                WHERE r.lane = _lanes[_index] AND (r.rank, r.pk_job_run) > (_ranks[_index], _pks[_index])
                    AND r.operation_code = ANY (CASE WHEN _codes[_index] > 0 THEN _own ELSE _shared END)
                ORDER BY r.rank, r.pk_job_run
                FOR UPDATE SKIP LOCKED
                LIMIT _wanted) AS p;
            CONTINUE WHEN _got IS NULL;
            _ranks[_index] := _last[1]::integer;
            _pks[_index] := _last[2];
            _furthest := _lanes[_index];
            IF _lanes[_index] = 0 THEN
                last_rank := _ranks[_index];
                last_pk := _pks[_index];
            END IF;
            _quota := _quota - cardinality(_got);
            places := places || _got;
            IF _limit_code IS NOT NULL THEN
                _taken[_slot] := _taken[_slot] + cardinality(_got);
            END IF;
            IF _breaker = 'probe' THEN
                PERFORM jobs.begin_probe(_worker, _codes[_index]);
                probing := probing || _codes[_index];
            ELSIF _breaker = 'open' THEN
                broken := broken || _codes[_index];
            END IF;
        END LOOP;
    END LOOP;

    -- Where nothing could be picked the next claim looks further on all the same.
    PERFORM set_config('specql.lane', concat_ws(',', _worker, _furthest), false);
    PERFORM jobs.count_starts(m.code, m.taken) FROM unnest(_met, _taken) AS m (code, taken) WHERE m.taken > 0;
END
$$;
