-- The DEFAULT partitions. They take the jobs of a range that nobody made in time: no worker ran, or a dump held the tables.
-- Upkeep empties them. As a rule the partition itself becomes a range, and an empty one takes its place: no row moves.

-- object: function jobs.default_is_small()
-- drop: DROP FUNCTION jobs.default_is_small()
-- Whether the DEFAULT partitions can be read through in an instant, which every ATTACH does under a lock.
CREATE OR REPLACE FUNCTION jobs.default_is_small() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_relation_size('jobs.tb_job_run_default') + pg_relation_size('jobs.tb_job_outcome_default')
        + pg_relation_size('jobs.tb_job_attempt_default') <= 67108864
$$;

-- object: function jobs.default_has_rows()
-- drop: DROP FUNCTION jobs.default_has_rows()
CREATE OR REPLACE FUNCTION jobs.default_has_rows() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM jobs.tb_job_run_default) OR EXISTS (SELECT FROM jobs.tb_job_outcome_default)
        OR EXISTS (SELECT FROM jobs.tb_job_attempt_default)
$$;

-- object: function jobs.default_jobs()
-- drop: DROP FUNCTION jobs.default_jobs()
-- The first job of which the DEFAULT partitions have a row, and the last; and where a range of them could begin: at the end
-- of the range below, or at a multiple of the ranges' size.
CREATE OR REPLACE FUNCTION jobs.default_jobs(OUT first bigint, OUT last bigint, OUT low bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT d.first, d.last, greatest(d.first / jobs.range_size() * jobs.range_size(), (
        SELECT max(b.high)
        FROM unnest(ARRAY['tb_job_run', 'tb_job_outcome', 'tb_job_attempt']) AS t (name)
        CROSS JOIN LATERAL jobs.bounds(t.name) AS b
        WHERE b.high <= d.first))
    FROM (
        SELECT
            least((SELECT min(j.pk_job_run) FROM jobs.tb_job_run_default AS j),
                (SELECT min(o.pk_job_run) FROM jobs.tb_job_outcome_default AS o),
                (SELECT min(a.pk_job_run) FROM jobs.tb_job_attempt_default AS a)) AS first,
            greatest((SELECT max(j.pk_job_run) FROM jobs.tb_job_run_default AS j),
                (SELECT max(o.pk_job_run) FROM jobs.tb_job_outcome_default AS o),
                (SELECT max(a.pk_job_run) FROM jobs.tb_job_attempt_default AS a)) AS last) AS d
$$;

-- object: function jobs.is_free(bigint, bigint)
-- drop: DROP FUNCTION jobs.is_free(bigint, bigint)
-- Whether a range could have these bounds. Earlier releases sometimes made a range in two of the tables: one that has
-- these very bounds is no obstacle.
CREATE OR REPLACE FUNCTION jobs.is_free(_low bigint, _high bigint) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT NOT EXISTS (
        SELECT
        FROM unnest(ARRAY['tb_job_run', 'tb_job_outcome', 'tb_job_attempt']) AS t (name)
        CROSS JOIN LATERAL jobs.bounds(t.name) AS b
        WHERE b.low < _high AND b.high > _low AND (b.low, b.high) <> (_low, _high))
$$;

-- object: function jobs.range_name(bigint, bigint)
-- drop: DROP FUNCTION jobs.range_name(bigint, bigint)
-- How the partitions of a range are named, behind their tables' names.
CREATE OR REPLACE FUNCTION jobs.range_name(_low bigint, _high bigint) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN _low % jobs.range_size() = 0 AND _high = _low + jobs.range_size() THEN 'p' || _low / jobs.range_size()
        ELSE 'from_' || _low
    END
$$;

-- object: function jobs.mark_default(bigint, bigint)
-- drop: DROP FUNCTION jobs.mark_default(bigint, bigint)
-- Writes down which range a large DEFAULT partition is going to be, as a check that new rows keep. Reading the old ones
-- through for it then locks nobody out, and the exchange need not. The range ends a thousand ranges away, so that the
-- check refuses nothing however long the exchange takes to come.
CREATE OR REPLACE FUNCTION jobs.mark_default(_low bigint, _high bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _default text;
BEGIN
    FOREACH _default IN ARRAY ARRAY['tb_job_run_default', 'tb_job_outcome_default', 'tb_job_attempt_default'] LOOP
        EXECUTE format('ALTER TABLE jobs.%I ADD CONSTRAINT ck_future_range CHECK (pk_job_run >= %L::bigint AND pk_job_run < %L::bigint)
            NOT VALID', _default, _low, _high);
    END LOOP;
END
$$;

-- object: function jobs.default_marks()
-- drop: DROP FUNCTION jobs.default_marks()
-- What jobs.mark_default wrote, and whether the rows were looked at since.
CREATE OR REPLACE FUNCTION jobs.default_marks() RETURNS TABLE (name text, low bigint, high bigint, checked boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.relname::text, m.bounds[1]::bigint, m.bounds[2]::bigint, c.convalidated
    FROM pg_constraint AS c
    JOIN pg_class AS t ON t.oid = c.conrelid
    CROSS JOIN LATERAL regexp_match(pg_get_constraintdef(c.oid), '>= ''?(-?\d+).*< ''?(-?\d+)') AS m (bounds)
    WHERE c.conname = 'ck_future_range' AND c.conrelid IN (
        'jobs.tb_job_run_default'::regclass, 'jobs.tb_job_outcome_default'::regclass, 'jobs.tb_job_attempt_default'::regclass)
    ORDER BY 1
$$;

-- object: function jobs.exchange_default(bigint, bigint)
-- drop: DROP FUNCTION jobs.exchange_default(bigint, bigint)
-- Makes a range of the DEFAULT partitions, and new ones. The tables are locked for an instant, as they are when a range is
-- dropped.
CREATE OR REPLACE FUNCTION jobs.exchange_default(_low bigint, _high bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _table text;
    _default text;
    _name text;
    _has_rows boolean;
    _was_marked boolean := EXISTS (SELECT FROM jobs.default_marks());
BEGIN
    LOCK TABLE ONLY jobs.tb_job_run, ONLY jobs.tb_job_outcome, ONLY jobs.tb_job_attempt IN ACCESS EXCLUSIVE MODE;
    FOREACH _table IN ARRAY ARRAY['tb_job_run', 'tb_job_outcome', 'tb_job_attempt'] LOOP
        _default := _table || '_default';
        _name := _table || '_' || jobs.range_name(_low, _high);
        EXECUTE format('SELECT EXISTS (SELECT FROM jobs.%I)', _default) INTO _has_rows;
        IF _has_rows THEN
            EXECUTE format('ALTER TABLE jobs.%I DETACH PARTITION jobs.%I', _table, _default);
            EXECUTE format('ALTER TABLE jobs.%I RENAME TO %I', _default, _name);
            EXECUTE format('ALTER TABLE jobs.%I ATTACH PARTITION jobs.%I FOR VALUES FROM (%L) TO (%L)',
                _table, _name, _low, _high);
            IF _was_marked THEN
                EXECUTE format('ALTER TABLE jobs.%I DROP CONSTRAINT ck_future_range', _name);
            END IF;
            PERFORM jobs.new_partition(_table, _default);
            EXECUTE format('ALTER TABLE jobs.%I ATTACH PARTITION jobs.%I DEFAULT', _table, _default);
            CONTINUE;
        END IF;
        IF _was_marked THEN
            EXECUTE format('ALTER TABLE jobs.%I DROP CONSTRAINT ck_future_range', _default);
        END IF;
        IF to_regclass(format('jobs.%I', _name)) IS NULL THEN
            PERFORM jobs.new_partition(_table, _name);
            EXECUTE format('ALTER TABLE jobs.%I ATTACH PARTITION jobs.%I FOR VALUES FROM (%L) TO (%L)',
                _table, _name, _low, _high);
        END IF;
    END LOOP;
END
$$;

-- object: function jobs.move_default(bigint, bigint)
-- drop: DROP FUNCTION jobs.move_default(bigint, bigint)
-- Makes a range of the oldest jobs of the DEFAULT partitions, where newer ranges lie between them and the others: so many
-- jobs as are copied in an instant. Readers wait for it, and never miss a row.
CREATE OR REPLACE FUNCTION jobs.move_default(_first bigint, _low bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _high bigint := (_first / jobs.range_size() + 1) * jobs.range_size();
    _limit bigint := jobs.range_size() / 20;
    _table text;
    _default text;
    _name text;
BEGIN
    LOCK TABLE jobs.tb_job_run_default, jobs.tb_job_outcome_default, jobs.tb_job_attempt_default IN ACCESS EXCLUSIVE MODE;
    _high := least(_high, (
        SELECT min(b.low)
        FROM unnest(ARRAY['tb_job_run', 'tb_job_outcome', 'tb_job_attempt']) AS t (name)
        CROSS JOIN LATERAL jobs.bounds(t.name) AS b
        WHERE b.low > _first));
    -- A range that two of the tables have already is finished as it is.
    IF NOT EXISTS (
        SELECT
        FROM unnest(ARRAY['tb_job_run', 'tb_job_outcome', 'tb_job_attempt']) AS t (name)
        CROSS JOIN LATERAL jobs.bounds(t.name) AS b
        WHERE (b.low, b.high) = (_low, _high))
    THEN
        _high := least(_high, (
            SELECT j.pk_job_run FROM jobs.tb_job_run_default AS j WHERE j.pk_job_run >= _first
            ORDER BY j.pk_job_run OFFSET _limit LIMIT 1));
    END IF;
    FOREACH _table IN ARRAY ARRAY['tb_job_run', 'tb_job_outcome', 'tb_job_attempt'] LOOP
        _default := _table || '_default';
        _name := _table || '_' || jobs.range_name(_low, _high);
        CONTINUE WHEN to_regclass(format('jobs.%I', _name)) IS NOT NULL;
        PERFORM jobs.new_partition(_table, _name);
        EXECUTE format('INSERT INTO jobs.%I SELECT d.* FROM jobs.%I AS d WHERE d.pk_job_run >= $1 AND d.pk_job_run < $2',
            _name, _default) USING _low, _high;
        EXECUTE format('DELETE FROM jobs.%I AS d WHERE d.pk_job_run >= $1 AND d.pk_job_run < $2', _default) USING _low, _high;
        EXECUTE format('ALTER TABLE jobs.%I ATTACH PARTITION jobs.%I FOR VALUES FROM (%L) TO (%L)',
            _table, _name, _low, _high);
    END LOOP;
END
$$;

-- object: function jobs.empty_default()
-- drop: DROP FUNCTION jobs.empty_default()
-- Takes the next step towards empty DEFAULT partitions, and says which; NULL where there is nothing to do, or nothing that
-- could be done without locking everybody out for long.
CREATE OR REPLACE FUNCTION jobs.empty_default() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _mark record;
    _jobs record;
    _high bigint;
BEGIN
    SELECT m.name, m.low, m.high, m.checked INTO _mark FROM jobs.default_marks() AS m ORDER BY m.checked LIMIT 1;
    IF FOUND THEN
        IF NOT _mark.checked THEN
            EXECUTE format('ALTER TABLE jobs.%I VALIDATE CONSTRAINT ck_future_range', _mark.name);
            RETURN 'checked';
        END IF;
        PERFORM jobs.exchange_default(_mark.low, _mark.high);
        RETURN 'exchanged';
    END IF;

    IF jobs.default_is_small() THEN
        -- Who is about to add a row is through, then.
        LOCK TABLE ONLY jobs.tb_job_run, ONLY jobs.tb_job_outcome, ONLY jobs.tb_job_attempt IN ACCESS EXCLUSIVE MODE;
    END IF;
    SELECT d.first, d.last, d.low INTO _jobs FROM jobs.default_jobs() AS d;
    IF _jobs.first IS NULL THEN
        RETURN NULL;
    END IF;
    IF jobs.default_is_small() THEN
        _high := (_jobs.last / jobs.range_size() + 1) * jobs.range_size();
        IF jobs.is_free(_jobs.low, _high) THEN
            PERFORM jobs.exchange_default(_jobs.low, _high);
            RETURN 'exchanged';
        END IF;
    ELSE
        _high := ((SELECT s.last_value FROM jobs.tb_job_run_pk_job_run_seq AS s) / jobs.range_size() + 1000) * jobs.range_size();
        IF jobs.is_free(_jobs.low, _high) THEN
            PERFORM jobs.mark_default(_jobs.low, _high);
            RETURN 'marked';
        END IF;
        IF pg_relation_size('jobs.tb_job_run_default') > 1073741824 THEN
            RAISE WARNING 'the DEFAULT partitions of jobs have grown too large to be emptied beside other work'
                USING HINT = 'Stop the workers, and call jobs.move_default(first, low) with what jobs.default_jobs() says, until they are empty.';
            RETURN NULL;
        END IF;
    END IF;
    PERFORM jobs.move_default(_jobs.first, _jobs.low);
    RETURN 'moved';
END
$$;
