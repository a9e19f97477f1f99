-- How long finished jobs are kept. A range of old jobs goes by DROP of its partitions, never by DELETE; the few of them
-- that are still wanted are moved aside first, into a partition of their own that takes the place of the old one.

-- object: table jobs.tb_retention
-- drop: DROP TABLE jobs.tb_retention
CREATE TABLE jobs.tb_retention (
    status TEXT PRIMARY KEY,
    keep INTERVAL,
    looked_at TIMESTAMPTZ NOT NULL DEFAULT '-infinity',
    CONSTRAINT ck_tb_retention_status CHECK (status IN ('completed', 'failed', 'cancelled')),
    CONSTRAINT ck_tb_retention_keep CHECK (keep >= interval '0')
);
COMMENT ON TABLE jobs.tb_retention IS 'How long finished jobs are kept, by how they ended. Change it with UPDATE.';
COMMENT ON COLUMN jobs.tb_retention.keep IS 'At least so long; NULL: for ever.';
COMMENT ON COLUMN jobs.tb_retention.looked_at IS 'When old ranges were last looked through; once an hour is enough.';

-- object: data jobs.tb_retention
INSERT INTO jobs.tb_retention (status, keep)
VALUES ('completed', '7 days'), ('failed', '90 days'), ('cancelled', '7 days')
ON CONFLICT (status) DO NOTHING;

-- object: function jobs.partitions()
-- drop: DROP FUNCTION jobs.partitions()
-- The ranges of jobs, oldest first: the end of the partitions' names, and from which job to below which. Only those that
-- all three tables have; the DEFAULT partitions are none.
CREATE OR REPLACE FUNCTION jobs.partitions() RETURNS TABLE (suffix text, low bigint, high bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.suffix, coalesce(p.bounds[1]::bigint, '-9223372036854775808'::bigint), p.bounds[2]::bigint
    FROM (
        SELECT right(c.relname, -length('tb_job_run_')) AS suffix,
            regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''?(?:MINVALUE|(-?\d+))''?\) TO \(''?(-?\d+)''?\)') AS bounds
        FROM pg_inherits AS i
        JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'jobs.tb_job_run'::regclass) AS p
    WHERE p.bounds IS NOT NULL
        AND to_regclass(format('jobs.%I', 'tb_job_outcome_' || p.suffix)) IS NOT NULL
        AND to_regclass(format('jobs.%I', 'tb_job_attempt_' || p.suffix)) IS NOT NULL
    ORDER BY 3
$$;

-- object: view jobs.v_partition
-- drop: DROP VIEW jobs.v_partition
CREATE VIEW jobs.v_partition WITH (security_invoker = true) AS
SELECT
    c.relname AS partition,
    p.relname AS of_table,
    pg_get_expr(c.relpartbound, c.oid) AS bounds,
    c.relname LIKE '%\_kept\_%' AS kept,
    greatest(c.reltuples, 0)::bigint AS estimated_rows,
    pg_total_relation_size(c.oid) AS bytes
FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhrelid
JOIN pg_class AS p ON p.oid = i.inhparent AND p.relnamespace = 'jobs'::regnamespace AND p.relkind = 'p'
ORDER BY p.relname, c.relname;
COMMENT ON VIEW jobs.v_partition IS
    'Ranges of jobs and what they take. "kept": what is still wanted of older ranges. Much in a default partition means that upkeep could not get its locks for long.';

-- object: function jobs.wanted_jobs(text)
-- drop: DROP FUNCTION jobs.wanted_jobs(text)
-- How many jobs a range has; how many of them have not ended; and how many are still wanted: not old enough, or holding
-- a uniqueness key, for whoever asks for the same again is given that very job.
CREATE OR REPLACE FUNCTION jobs.wanted_jobs(
    _suffix text, OUT jobs bigint, OUT unfinished bigint, OUT wanted bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    _run text := 'tb_job_run_' || _suffix;
    _outcome text := 'tb_job_outcome_' || _suffix;
BEGIN
    EXECUTE format('SELECT count(*), count(*) FILTER (WHERE o.pk_job_run IS NULL), count(*) FILTER (WHERE o.pk_job_run IS NOT NULL
            AND (r.keep IS NULL OR o.completed_at >= now() - r.keep OR k.pk_job_run IS NOT NULL))
        FROM jobs.%I AS j
        LEFT JOIN jobs.%I AS o ON o.pk_job_run = j.pk_job_run
        LEFT JOIN jobs.tb_retention AS r ON r.status = o.status
        LEFT JOIN jobs.tb_job_key AS k ON k.pk_job_run = j.pk_job_run', _run, _outcome)
    INTO jobs, unfinished, wanted;
END
$$;

-- object: function jobs.copy_wanted(text, text, bigint, bigint)
-- drop: DROP FUNCTION jobs.copy_wanted(text, text, bigint, bigint)
-- Makes the tables for what is kept of ranges up to _high, unless they are there, and copies into them what is wanted of
-- one range: a job that was queued again meanwhile, too. The check spares ATTACH a look at every row.
CREATE OR REPLACE FUNCTION jobs.copy_wanted(_suffix text, _into text, _low bigint, _high bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    _table text;
    _run text := 'tb_job_run_' || _suffix;
    _outcome text := 'tb_job_outcome_' || _suffix;
    _kept_run text := 'tb_job_run_' || _into;
    _kept text;
    _old text;
BEGIN
    FOREACH _table IN ARRAY ARRAY['tb_job_run', 'tb_job_outcome', 'tb_job_attempt'] LOOP
        _kept := _table || '_' || _into;
        _old := _table || '_' || _suffix;
        IF to_regclass(format('jobs.%I', _kept)) IS NULL THEN
            EXECUTE format('CREATE TABLE jobs.%I (LIKE jobs.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES
                INCLUDING STORAGE, CHECK (pk_job_run >= %L::bigint AND pk_job_run < %L::bigint))',
                _kept, _table, _low, _high);
            EXECUTE format('ALTER TABLE jobs.%I ENABLE ROW LEVEL SECURITY', _kept);
        END IF;
        IF _table = 'tb_job_run' THEN
            EXECUTE format('INSERT INTO jobs.%I SELECT j.* FROM jobs.%I AS j
                LEFT JOIN jobs.%I AS o ON o.pk_job_run = j.pk_job_run
                LEFT JOIN jobs.tb_retention AS r ON r.status = o.status
                WHERE r.keep IS NULL OR o.completed_at >= now() - r.keep
                    OR EXISTS (SELECT FROM jobs.tb_job_key AS k WHERE k.pk_job_run = j.pk_job_run)',
                _kept, _run, _outcome);
        ELSE
            EXECUTE format('INSERT INTO jobs.%I SELECT x.* FROM jobs.%I AS x
                WHERE EXISTS (SELECT FROM jobs.%I AS j WHERE j.pk_job_run = x.pk_job_run)', _kept, _old, _kept_run);
        END IF;
    END LOOP;
END
$$;

-- object: function jobs.can_lock_partitions()
-- drop: DROP FUNCTION jobs.can_lock_partitions()
-- Whether nobody holds the tables for long. Asked before a copy that would be in vain, and ahead of a dump or a report
-- of hours: whoever waits for such a lock makes all others wait behind him.
CREATE OR REPLACE FUNCTION jobs.can_lock_partitions() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms' AS $$
BEGIN
    LOCK TABLE jobs.tb_job_run, jobs.tb_job_outcome, jobs.tb_job_attempt IN ACCESS EXCLUSIVE MODE;
    -- Undoes this block, and with it the locks.
    RAISE EXCEPTION USING ERRCODE = 'SQ000', MESSAGE = 'all were free';
EXCEPTION
    WHEN SQLSTATE 'SQ000' THEN
        RETURN true;
    WHEN lock_not_available THEN
        RETURN false;
END
$$;

-- object: function jobs.lock_range(text)
-- drop: DROP FUNCTION jobs.lock_range(text)
-- Keeps writers out of a range of jobs that have ended: whoever would retry one.
CREATE OR REPLACE FUNCTION jobs.lock_range(_suffix text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _run text := 'tb_job_run_' || _suffix;
    _outcome text := 'tb_job_outcome_' || _suffix;
    _attempt text := 'tb_job_attempt_' || _suffix;
BEGIN
    EXECUTE format('LOCK TABLE jobs.%I, jobs.%I, jobs.%I IN EXCLUSIVE MODE', _run, _outcome, _attempt);
END
$$;

-- object: function jobs.remainder_below(bigint)
-- drop: DROP FUNCTION jobs.remainder_below(bigint)
-- What was kept of the ranges below this job, where nothing lies between: no other range, and no job that once went to
-- a DEFAULT partition.
CREATE OR REPLACE FUNCTION jobs.remainder_below(_low bigint) RETURNS TABLE (suffix text, low bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT nearest.suffix, nearest.low
    FROM (SELECT p.suffix, p.low, p.high FROM jobs.partitions() AS p WHERE p.high <= _low ORDER BY p.high DESC LIMIT 1) AS nearest
    WHERE nearest.suffix LIKE 'kept\_%'
        AND NOT EXISTS (SELECT FROM jobs.tb_job_run_default AS d WHERE d.pk_job_run >= nearest.high AND d.pk_job_run < _low)
        AND NOT EXISTS (SELECT FROM jobs.tb_job_outcome_default AS d WHERE d.pk_job_run >= nearest.high AND d.pk_job_run < _low)
        AND NOT EXISTS (SELECT FROM jobs.tb_job_attempt_default AS d WHERE d.pk_job_run >= nearest.high AND d.pk_job_run < _low)
$$;

-- object: function jobs.drop_range(text, bigint, bigint, boolean)
-- drop: DROP FUNCTION jobs.drop_range(text, bigint, bigint, boolean)
-- Drops a range of jobs that have ended. What is still wanted of it, and of the remainder below, is moved aside first:
-- the copy is made beside the tables, where only writers of these old ranges wait for it, and the exchange is instant.
CREATE OR REPLACE FUNCTION jobs.drop_range(_suffix text, _low bigint, _high bigint, _keeps boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _old text[] := ARRAY[_suffix];
    _into text := 'kept_' || _high;
    _from bigint := _low;
    _remainder record;
    _table text;
    _each text;
    _partition text;
BEGIN
    PERFORM jobs.lock_range(_suffix);
    IF _keeps THEN
        SELECT r.suffix, r.low INTO _remainder FROM jobs.remainder_below(_low) AS r;
        IF FOUND THEN
            PERFORM jobs.lock_range(_remainder.suffix);
            _old := _old || _remainder.suffix;
            _from := _remainder.low;
        END IF;
        FOREACH _each IN ARRAY _old LOOP
            PERFORM jobs.copy_wanted(_each, _into, _from, _high);
        END LOOP;
    ELSIF (SELECT w.unfinished + w.wanted FROM jobs.wanted_jobs(_suffix) AS w) > 0 THEN
        -- Somebody has just queued one of them again.
        RETURN;
    END IF;

    FOREACH _table IN ARRAY ARRAY['tb_job_run', 'tb_job_outcome', 'tb_job_attempt'] LOOP
        FOREACH _each IN ARRAY _old LOOP
            _partition := _table || '_' || _each;
            EXECUTE format('DROP TABLE jobs.%I', _partition);
        END LOOP;
        IF _keeps THEN
            _partition := _table || '_' || _into;
            EXECUTE format('ALTER TABLE jobs.%I ATTACH PARTITION jobs.%I FOR VALUES FROM (%L) TO (%L)',
                _table, _partition, _from, _high);
        END IF;
    END LOOP;
    -- Callbacks that were given up have nothing left to be repeated for.
    DELETE FROM jobs.tb_job_callback AS c
    WHERE c.pk_job_run >= _from AND c.pk_job_run < _high
        AND NOT EXISTS (SELECT FROM jobs.tb_job_run AS j WHERE j.pk_job_run = c.pk_job_run);
END
$$;

-- object: function jobs.expire()
-- drop: DROP FUNCTION jobs.expire()
-- Drops at most one range of jobs that have all ended and are old enough; the next call drops the next. Returns its
-- name. A range with an unfinished job stays as it is, and so does one of which more than a tenth is still wanted:
-- moving that would cost more than it gives back.
CREATE OR REPLACE FUNCTION jobs.expire() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
    _range record;
    _count record;
    _last bigint := (SELECT s.last_value FROM jobs.tb_job_run_pk_job_run_seq AS s);
BEGIN
    IF (SELECT max(r.looked_at) FROM jobs.tb_retention AS r) > now() - interval '1 hour' THEN
        RETURN NULL;
    END IF;
    FOR _range IN SELECT p.suffix, p.low, p.high FROM jobs.partitions() AS p WHERE p.high <= _last LOOP
        SELECT w.jobs, w.unfinished, w.wanted INTO _count FROM jobs.wanted_jobs(_range.suffix) AS w;
        CONTINUE WHEN _count.unfinished > 0;
        IF _count.wanted = 0
            OR (_count.wanted * 10 <= _count.jobs AND _range.suffix NOT LIKE 'kept\_%' AND jobs.default_is_small())
        THEN
            IF NOT jobs.can_lock_partitions() THEN
                UPDATE jobs.tb_retention AS r SET looked_at = now() - interval '50 minutes';
                RETURN NULL;
            END IF;
            PERFORM jobs.drop_range(_range.suffix, _range.low, _range.high, _count.wanted > 0);
            RETURN _range.suffix;
        END IF;
    END LOOP;
    UPDATE jobs.tb_retention AS r SET looked_at = now();
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION jobs.expire() IS 'Drops one range of jobs that have ended and are older than jobs.tb_retention says.';
