-- Ranges of jobs: the partitions that jobs.tb_job_run, jobs.tb_job_outcome and jobs.tb_job_attempt share. A range ends after
-- a number of jobs or with the day, whichever comes first.

-- object: table jobs.tb_upkeep
-- drop: DROP TABLE jobs.tb_upkeep
-- What upkeep must remember from one call to the next: one row.
CREATE TABLE jobs.tb_upkeep (
    pk_upkeep INTEGER PRIMARY KEY,
    next_job BIGINT NOT NULL DEFAULT 0,
    began_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    jobs BIGINT NOT NULL DEFAULT 0,
    wanted BIGINT NOT NULL DEFAULT 0,
    ranges_tried_at TIMESTAMPTZ NOT NULL DEFAULT '-infinity'
);
COMMENT ON TABLE jobs.tb_upkeep IS 'How far the look for old ranges has come, and whether new ones can be made.';
COMMENT ON COLUMN jobs.tb_upkeep.next_job IS 'The first job that the look for old ranges has not come to; 0: it begins anew.';
COMMENT ON COLUMN jobs.tb_upkeep.began_at IS 'When the look at its range began.';
COMMENT ON COLUMN jobs.tb_upkeep.jobs IS 'How many jobs of its range were looked at.';
COMMENT ON COLUMN jobs.tb_upkeep.wanted IS 'How many of these are still wanted.';
COMMENT ON COLUMN jobs.tb_upkeep.ranges_tried_at IS 'When somebody else''s locks last kept new ranges from being made.';

-- object: data jobs.tb_upkeep
INSERT INTO jobs.tb_upkeep (pk_upkeep) VALUES (1) ON CONFLICT (pk_upkeep) DO NOTHING;

-- object: function jobs.range_size()
-- drop: DROP FUNCTION jobs.range_size()
-- How many jobs a range has at most, and of what its bounds are multiples.
CREATE OR REPLACE FUNCTION jobs.range_size() RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT 1000000::bigint
$$;

-- object: function jobs.bounds(text)
-- drop: DROP FUNCTION jobs.bounds(text)
-- The partitions of a table: name, and from which job to below which. Without the DEFAULT partition.
CREATE OR REPLACE FUNCTION jobs.bounds(_table text) RETURNS TABLE (name text, low bigint, high bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.name, coalesce(p.bounds[1]::bigint, '-9223372036854775808'::bigint), p.bounds[2]::bigint
    FROM (
        SELECT c.relname::text AS name,
            regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''?(?:MINVALUE|(-?\d+))''?\) TO \(''?(-?\d+)''?\)') AS bounds
        FROM pg_inherits AS i
        JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = to_regclass(format('jobs.%I', _table))) AS p
    WHERE p.bounds IS NOT NULL
$$;

-- object: function jobs.partitions()
-- drop: DROP FUNCTION jobs.partitions()
-- The ranges of jobs, oldest first: the end of the partitions' names, and from which job to below which. Only those that
-- all three tables have; the DEFAULT partitions are none.
CREATE OR REPLACE FUNCTION jobs.partitions() RETURNS TABLE (suffix text, low bigint, high bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT right(b.name, -length('tb_job_run_')), b.low, b.high
    FROM jobs.bounds('tb_job_run') AS b
    WHERE to_regclass(format('jobs.%I', replace(b.name, 'tb_job_run_', 'tb_job_outcome_'))) IS NOT NULL
        AND to_regclass(format('jobs.%I', replace(b.name, 'tb_job_run_', 'tb_job_attempt_'))) IS NOT NULL
    ORDER BY 3
$$;

-- object: function jobs.new_partition(text, text)
-- drop: DROP FUNCTION jobs.new_partition(text, text)
-- A table that can become a partition. Built apart and attached later, it locks writers out of nothing.
CREATE OR REPLACE FUNCTION jobs.new_partition(_table text, _name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('CREATE TABLE jobs.%I (LIKE jobs.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)',
        _name, _table);
    -- As its parent, which alone has policies: read by itself it shows its owner everything, and others nothing.
    EXECUTE format('ALTER TABLE jobs.%I ENABLE ROW LEVEL SECURITY', _name);
END
$$;

-- object: function jobs.add_range(bigint)
-- drop: DROP FUNCTION jobs.add_range(bigint)
-- Makes the range with the given number, in all three tables or in none. False: it is there, or jobs of it are in the
-- DEFAULT partition.
CREATE OR REPLACE FUNCTION jobs.add_range(_number bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _low bigint := _number * jobs.range_size();
    _high bigint := _low + jobs.range_size();
    _table text;
    _name text;
    _made boolean := false;
BEGIN
    FOREACH _table IN ARRAY ARRAY['tb_job_run', 'tb_job_outcome', 'tb_job_attempt'] LOOP
        _name := format('%s_p%s', _table, _number);
        IF to_regclass(format('jobs.%I', _name)) IS NULL THEN
            PERFORM jobs.new_partition(_table, _name);
            EXECUTE format('ALTER TABLE jobs.%I ATTACH PARTITION jobs.%I FOR VALUES FROM (%L) TO (%L)',
                _table, _name, _low, _high);
            _made := true;
        END IF;
    END LOOP;
    RETURN _made;
EXCEPTION WHEN check_violation OR invalid_object_definition THEN
    RAISE DEBUG 'range % was not made: %', _number, SQLERRM;
    RETURN false;
END
$$;

-- object: function jobs.partitions_ahead(bigint)
-- drop: DROP FUNCTION jobs.partitions_ahead(bigint)
-- How many ranges to make ahead of the last job: those of a day like the last one, and two. So a dump of hours, which
-- holds the locks that a new range needs, sends no job to the DEFAULT partition.
CREATE OR REPLACE FUNCTION jobs.partitions_ahead(_last bigint) RETURNS integer
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _ended bigint := 0::bigint;
    _partition text;
    _young boolean;
    _jobs bigint;
BEGIN
    FOR _partition IN
        SELECT 'tb_job_run_' || p.suffix FROM jobs.partitions() AS p WHERE p.high <= _last ORDER BY p.high DESC LIMIT 20
    LOOP
        EXECUTE format('SELECT coalesce(j.created_at, jobs.time_of(j.id)) > now() - interval ''1 day'',
            (SELECT max(l.pk_job_run) FROM jobs.%I AS l) - j.pk_job_run
            FROM jobs.%I AS j ORDER BY j.pk_job_run LIMIT 1', _partition, _partition) INTO _young, _jobs;
        EXIT WHEN _young IS NOT TRUE;
        _ended := _ended + 1 + _jobs / jobs.range_size();
    END LOOP;
    RETURN (2 + least(20::bigint, _ended))::integer;
END
$$;

-- object: function jobs.add_ranges()
-- drop: DROP FUNCTION jobs.add_ranges()
-- Makes the ranges that are wanted ahead, and first of all a range of what is in the DEFAULT partition. Answers how many
-- steps it took: its locks are held until the end of the transaction, which had better be near.
CREATE OR REPLACE FUNCTION jobs.add_ranges() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _next bigint := (SELECT s.last_value + 1 FROM jobs.tb_job_run_pk_job_run_seq AS s);
    _high bigint;
    _number bigint;
    _until bigint;
    _steps integer := 0;
BEGIN
    IF jobs.default_has_rows() AND jobs.empty_default() IS NOT NULL THEN
        _steps := 1;
    END IF;
    -- An ATTACH reads the DEFAULT partition through, under a lock.
    IF NOT jobs.default_is_small() THEN
        RETURN _steps;
    END IF;

    SELECT p.high INTO _high FROM jobs.partitions() AS p WHERE p.low <= _next AND p.high > _next;
    IF _high - _next > 100 * jobs.range_size()
        AND to_regclass('jobs.tb_job_attempt_p' || _high / jobs.range_size()) IS NOT NULL
    THEN
        -- The range was the DEFAULT partition, and ends so far away that nobody draws a number beyond its end meanwhile.
        PERFORM setval('jobs.tb_job_run_pk_job_run_seq', _high);
        RETURN _steps + 1;
    END IF;
    _number := coalesce(_high, _next) / jobs.range_size();
    _until := _number + jobs.partitions_ahead(_next) + CASE WHEN _high IS NULL THEN 1 ELSE 0 END;
    -- A few a call: everybody waits for the lock on the DEFAULT partition meanwhile.
    WHILE _number < _until AND _steps < 4 LOOP
        IF jobs.add_range(_number) THEN
            _steps := _steps + 1;
        END IF;
        _number := _number + 1;
    END LOOP;
    RETURN _steps;
END
$$;

-- object: function jobs.make_ranges()
-- drop: DROP FUNCTION jobs.make_ranges()
-- Sees to it that the next two ranges are there. Where they are it looks up two names, so workers ask every other second:
-- nobody fills two million jobs in that time, and whoever queues a job need not care.
CREATE OR REPLACE FUNCTION jobs.make_ranges() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
    _number bigint := (SELECT (s.last_value + 1) / jobs.range_size() FROM jobs.tb_job_run_pk_job_run_seq AS s);
BEGIN
    IF to_regclass('jobs.tb_job_attempt_p' || _number + 1) IS NOT NULL
        AND to_regclass('jobs.tb_job_attempt_p' || _number + 2) IS NOT NULL
    THEN
        RETURN 0;
    END IF;
    IF (SELECT u.ranges_tried_at FROM jobs.tb_upkeep AS u) > clock_timestamp() - interval '10 seconds'
        OR NOT pg_try_advisory_xact_lock(1399869772, 2)
    THEN
        RETURN 0;
    END IF;
    RETURN jobs.add_ranges();
EXCEPTION WHEN lock_not_available THEN
    -- While this waits for the lock, others wait behind it: not all workers, all the time.
    UPDATE jobs.tb_upkeep AS u SET ranges_tried_at = clock_timestamp();
    RETURN 0;
END
$$;
COMMENT ON FUNCTION jobs.make_ranges() IS 'Makes ranges ahead of the last job where the next two are not there.';

-- object: function jobs.end_day()
-- drop: DROP FUNCTION jobs.end_day()
-- Ends a range that was begun on an earlier day (UTC), so that old jobs go after days, however few there are: the numbers
-- that are left of it are drawn and thrown away. Drawn, and not set back or forth: others draw at the same time. Where jobs
-- are kept for longer than a month a range has a thirtieth of that time, and no end where they are kept for ever: hundreds of
-- ranges make queries slow.
CREATE OR REPLACE FUNCTION jobs.end_day() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _next bigint := (SELECT s.last_value + 1 FROM jobs.tb_job_run_pk_job_run_seq AS s);
    _keep interval := (SELECT r.keep FROM jobs.tb_retention AS r WHERE r.status = 'completed');
    _high bigint;
    _partition text;
    _earlier boolean;
BEGIN
    IF _keep IS NULL THEN
        RETURN false;
    END IF;
    SELECT 'tb_job_run_' || p.suffix, p.high INTO _partition, _high
    FROM jobs.partitions() AS p
    WHERE p.low <= _next AND p.high > _next AND p.high - _next <= jobs.range_size()
        AND EXISTS (SELECT FROM jobs.partitions() AS n WHERE n.low = p.high);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    EXECUTE format('SELECT date_trunc(''day'', coalesce(j.created_at, jobs.time_of(j.id)), ''UTC'')
            <= date_trunc(''day'', now(), ''UTC'') - greatest(interval ''1 day'', $1)
        FROM jobs.%I AS j ORDER BY j.pk_job_run LIMIT 1', _partition) INTO _earlier USING _keep / 30;
    IF _earlier IS NOT TRUE THEN
        RETURN false;
    END IF;
    PERFORM max(drawn.number)
    FROM (SELECT nextval('jobs.tb_job_run_pk_job_run_seq') AS number
        FROM (SELECT generate_series(_next, _high - 1)) AS n) AS drawn;
    RETURN true;
END
$$;
