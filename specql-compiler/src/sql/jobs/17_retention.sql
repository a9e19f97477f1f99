-- How long finished jobs are kept. A range of old jobs goes by DROP of its partitions, never by DELETE; the few of them
-- that are still wanted are moved aside first, into a partition of their own that takes the place of the old one. And how
-- long the rows of the two logs of the schema app are kept.

-- object: table jobs.tb_retention
-- drop: DROP TABLE jobs.tb_retention
CREATE TABLE jobs.tb_retention (
    status TEXT PRIMARY KEY,
    keep INTERVAL,
    looked_at TIMESTAMPTZ NOT NULL DEFAULT '-infinity',
    CONSTRAINT ck_tb_retention_status CHECK (status IN ('completed', 'failed', 'cancelled', 'audit_log', 'notifications')),
    CONSTRAINT ck_tb_retention_keep CHECK (keep >= interval '0')
);
COMMENT ON TABLE jobs.tb_retention IS
    'How long finished jobs are kept, by how they ended, and how long the rows of two logs. Change it with UPDATE.';
COMMENT ON COLUMN jobs.tb_retention.status IS
    'Of jobs; or audit_log: app.tb_mutation_audit_log, or notifications: app.tb_notification.';
COMMENT ON COLUMN jobs.tb_retention.keep IS 'At least so long; NULL: for ever.';
COMMENT ON COLUMN jobs.tb_retention.looked_at IS 'When it was last looked through for what is old; once an hour is enough.';

-- object: data jobs.tb_retention
INSERT INTO jobs.tb_retention (status, keep)
VALUES ('completed', '7 days'), ('failed', '90 days'), ('cancelled', '7 days'), ('audit_log', NULL), ('notifications', NULL)
ON CONFLICT (status) DO NOTHING;

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

-- object: function jobs.wanted_jobs(text, bigint, bigint)
-- drop: DROP FUNCTION jobs.wanted_jobs(text, bigint, bigint)
-- Of some jobs of a range, how many there are, and how many are still wanted: not ended, or not old enough, or holding a
-- uniqueness key, for whoever asks for the same again is given that very job.
CREATE OR REPLACE FUNCTION jobs.wanted_jobs(
    _suffix text, _from bigint, _below bigint, OUT jobs bigint, OUT wanted bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    _run text := 'tb_job_run_' || _suffix;
    _outcome text := 'tb_job_outcome_' || _suffix;
BEGIN
    EXECUTE format('SELECT count(*), count(*) FILTER (WHERE r.keep IS NULL OR o.completed_at >= now() - r.keep OR k.pk_job_run IS NOT NULL)
        FROM (SELECT j.pk_job_run FROM jobs.%I AS j WHERE j.pk_job_run >= $1 AND j.pk_job_run < $2) AS j
        LEFT JOIN (SELECT o.pk_job_run, o.status, o.completed_at FROM jobs.%I AS o
            WHERE o.pk_job_run >= $1 AND o.pk_job_run < $2) AS o ON o.pk_job_run = j.pk_job_run
        LEFT JOIN jobs.tb_retention AS r ON r.status = o.status
        LEFT JOIN jobs.tb_job_key AS k ON k.pk_job_run = j.pk_job_run', _run, _outcome)
    INTO jobs, wanted USING _from, _below;
END
$$;

-- object: function jobs.copy_wanted(text, text, bigint, bigint)
-- drop: DROP FUNCTION jobs.copy_wanted(text, text, bigint, bigint)
-- Makes the tables for what is kept of ranges up to _high, unless they are there, and copies into them what is wanted of
-- one range: jobs that have not ended, too. The check spares ATTACH a look at every row.
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
-- Keeps writers out of an old range: whoever would retry or cancel one of its jobs.
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

-- object: function jobs.is_busy(bigint, bigint)
-- drop: DROP FUNCTION jobs.is_busy(bigint, bigint)
-- Whether a job of a range runs, or its callback waits: then somebody is about to write to it.
CREATE OR REPLACE FUNCTION jobs.is_busy(_low bigint, _high bigint) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM jobs.tb_job_lease AS l WHERE l.pk_job_run >= _low AND l.pk_job_run < _high)
        OR EXISTS (SELECT FROM jobs.tb_job_callback AS c
            WHERE c.pk_job_run >= _low AND c.pk_job_run < _high AND c.run_at IS NOT NULL)
$$;

-- object: function jobs.became_wanted(text, bigint, bigint, timestamptz)
-- drop: DROP FUNCTION jobs.became_wanted(text, bigint, bigint, timestamptz)
-- Whether a job of a range that was wanted by nobody has been queued again since.
CREATE OR REPLACE FUNCTION jobs.became_wanted(_suffix text, _low bigint, _high bigint, _since timestamptz) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    _outcome text := 'tb_job_outcome_' || _suffix;
    _ended boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT FROM jobs.%I AS o WHERE o.completed_at >= $1)', _outcome) INTO _ended USING _since;
    RETURN _ended
        OR EXISTS (SELECT FROM jobs.tb_job_ready AS r WHERE r.pk_job_run >= _low AND r.pk_job_run < _high)
        OR EXISTS (SELECT FROM jobs.tb_job_scheduled AS s WHERE s.pk_job_run >= _low AND s.pk_job_run < _high)
        OR EXISTS (SELECT FROM jobs.tb_job_key AS k WHERE k.pk_job_run >= _low AND k.pk_job_run < _high);
END
$$;

-- object: function jobs.drop_range(text, bigint, bigint, boolean, timestamptz)
-- drop: DROP FUNCTION jobs.drop_range(text, bigint, bigint, boolean, timestamptz)
-- Drops an old range. What is still wanted of it, and of the remainder below, is moved aside first: the copy is made beside
-- the tables, where only writers of these old ranges wait for it, and the exchange is instant. False: it has to stay, for
-- somebody has taken up one of its jobs since.
CREATE OR REPLACE FUNCTION jobs.drop_range(
    _suffix text, _low bigint, _high bigint, _keeps boolean, _looked_since timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _old text[] := ARRAY[_suffix];
    _into text := 'kept_' || _high;
    _from bigint := _low;
    _remainder record;
    _kept_run text;
    _kept_jobs bigint;
    _table text;
    _each text;
    _partition text;
BEGIN
    PERFORM jobs.lock_range(_suffix);
    IF jobs.is_busy(_low, _high) THEN
        RETURN false;
    END IF;
    IF _keeps THEN
        SELECT r.suffix, r.low INTO _remainder FROM jobs.remainder_below(_low) AS r;
        IF FOUND AND NOT jobs.is_busy(_remainder.low, _low) THEN
            -- One that has become large is copied no more: then a new one begins.
            _kept_run := 'tb_job_run_' || _remainder.suffix;
            EXECUTE format('SELECT count(*) FROM (SELECT FROM jobs.%I LIMIT $1) AS j', _kept_run)
                INTO _kept_jobs USING jobs.range_size() / 10;
            IF _kept_jobs < jobs.range_size() / 10 THEN
                PERFORM jobs.lock_range(_remainder.suffix);
                _old := _old || _remainder.suffix;
                _from := _remainder.low;
            END IF;
        END IF;
        FOREACH _each IN ARRAY _old LOOP
            PERFORM jobs.copy_wanted(_each, _into, _from, _high);
        END LOOP;
    ELSIF jobs.became_wanted(_suffix, _low, _high, _looked_since) THEN
        RETURN false;
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
    RETURN true;
END
$$;

-- object: function jobs.first_job(text, bigint)
-- drop: DROP FUNCTION jobs.first_job(text, bigint)
-- The first job of a range from the given one on, and when the range's last job was queued.
CREATE OR REPLACE FUNCTION jobs.first_job(_suffix text, _from bigint, OUT pk_job_run bigint, OUT last_created_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _run text := 'tb_job_run_' || _suffix;
BEGIN
    EXECUTE format('SELECT (SELECT j.pk_job_run FROM jobs.%I AS j WHERE j.pk_job_run >= $1 ORDER BY j.pk_job_run LIMIT 1),
        (SELECT coalesce(j.created_at, jobs.time_of(j.id)) FROM jobs.%I AS j ORDER BY j.pk_job_run DESC LIMIT 1)', _run, _run)
    INTO pk_job_run, last_created_at USING _from;
END
$$;

-- object: function jobs.expire()
-- drop: DROP FUNCTION jobs.expire()
-- Looks at a piece of the ranges, as many jobs as a range has, and drops at most one range: one whose jobs are nearly all
-- old. Returns its name. The next call goes on from there; after the last range there is none for an hour. Jobs that are
-- still wanted are moved aside, those that are due in months, too; but where more than a tenth is wanted the range stays:
-- moving that would cost more than it gives back.
CREATE OR REPLACE FUNCTION jobs.expire() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
    _size bigint := jobs.range_size();
    _last bigint := (SELECT s.last_value FROM jobs.tb_job_run_pk_job_run_seq AS s);
    _young timestamptz;
    _look record;
    _range record;
    _first record;
    _count record;
    _budget bigint := _size / 10;
BEGIN
    SELECT now() - min(r.keep) INTO _young FROM jobs.tb_retention AS r
    WHERE r.status IN ('completed', 'failed', 'cancelled')
    HAVING max(r.looked_at) <= now() - interval '1 hour';
    IF NOT FOUND OR _young IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT u.next_job, u.began_at, u.jobs, u.wanted INTO _look FROM jobs.tb_upkeep AS u;

    FOR _range IN
        SELECT p.suffix, p.low, p.high FROM jobs.partitions() AS p WHERE p.high <= _last + 1 AND p.high > _look.next_job
    LOOP
        IF _look.next_job <= greatest(_range.low, 0) THEN
            _look.began_at := now();
            _look.jobs := 0;
            _look.wanted := 0;
        END IF;
        SELECT f.pk_job_run, f.last_created_at INTO _first
        FROM jobs.first_job(_range.suffix, greatest(_range.low, _look.next_job)) AS f;
        -- Its last job is too young, so those of all newer ranges are.
        EXIT WHEN _first.last_created_at >= _young;
        _look.next_job := _range.high;
        CONTINUE WHEN jobs.is_busy(_range.low, _range.high);
        IF _first.pk_job_run IS NOT NULL THEN
            SELECT w.jobs, w.wanted INTO _count
            FROM jobs.wanted_jobs(_range.suffix, _first.pk_job_run, least(_range.high, _first.pk_job_run + _size)) AS w;
            _look.jobs := _look.jobs + _count.jobs;
            _look.wanted := _look.wanted + _count.wanted;
            _budget := _budget - _count.jobs;
            IF _first.pk_job_run + _size < _range.high THEN
                _look.next_job := _first.pk_job_run + _size;
                PERFORM jobs.remember_look(_look.next_job, _look.began_at, _look.jobs, _look.wanted);
                RETURN NULL;
            END IF;
        END IF;
        IF _look.wanted = 0
            OR (_range.suffix NOT LIKE 'kept\_%' AND jobs.default_is_small()
                AND (_look.wanted <= _size / 100 OR _look.wanted * 10 <= least(_look.jobs, _size)))
        THEN
            IF NOT jobs.can_lock_partitions() THEN
                UPDATE jobs.tb_retention AS r SET looked_at = now() - interval '50 minutes'
                WHERE r.status IN ('completed', 'failed', 'cancelled');
                RETURN NULL;
            END IF;
            IF jobs.drop_range(_range.suffix, _range.low, _range.high, _look.wanted > 0, _look.began_at) THEN
                PERFORM jobs.remember_look(_range.high, now(), 0, 0);
                RETURN _range.suffix;
            END IF;
        END IF;
        IF _budget < 0 THEN
            PERFORM jobs.remember_look(_range.high, now(), 0, 0);
            RETURN NULL;
        END IF;
    END LOOP;
    PERFORM jobs.remember_look(0, now(), 0, 0);
    UPDATE jobs.tb_retention AS r SET looked_at = now() WHERE r.status IN ('completed', 'failed', 'cancelled');
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION jobs.expire() IS 'Drops one range of jobs that are older than jobs.tb_retention says.';

-- object: function jobs.remember_look(bigint, timestamptz, bigint, bigint)
-- drop: DROP FUNCTION jobs.remember_look(bigint, timestamptz, bigint, bigint)
CREATE OR REPLACE FUNCTION jobs.remember_look(_next_job bigint, _began_at timestamptz, _jobs bigint, _wanted bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE jobs.tb_upkeep AS u SET next_job = _next_job, began_at = _began_at, jobs = _jobs, wanted = _wanted
$$;

-- object: function jobs.prune_logs()
-- drop: DROP FUNCTION jobs.prune_logs()
-- Deletes old rows of the audit log and of the notifications, where jobs.tb_retention says how old: the oldest, so many as
-- an instant allows. Returns how many; where there may be more the next call goes on, else there is no look for an hour.
CREATE OR REPLACE FUNCTION jobs.prune_logs() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _limit CONSTANT bigint := 20000::bigint;
    -- The queue can be without the schema app.
    _schema CONSTANT text := 'app';
    _log record;
    _deleted bigint;
    _all bigint := 0::bigint;
BEGIN
    FOR _log IN
        SELECT r.status, r.keep, t.name, t.key
        FROM jobs.tb_retention AS r
        JOIN (VALUES ('audit_log', 'tb_mutation_audit_log', 'pk_mutation_audit_log'),
            ('notifications', 'tb_notification', 'pk_notification')) AS t (status, name, key) ON t.status = r.status
        WHERE r.keep IS NOT NULL AND r.looked_at <= now() - interval '1 hour'
            AND to_regclass(format('%I.%I', _schema, t.name)) IS NOT NULL
    LOOP
        -- The key rises with the time.
        EXECUTE format('DELETE FROM %I.%I AS d USING (
                SELECT o.%I AS key, o.created_at FROM %I.%I AS o ORDER BY o.%I LIMIT $1) AS oldest
            WHERE d.%I = oldest.key AND oldest.created_at < now() - $2',
            _schema, _log.name, _log.key, _schema, _log.name, _log.key, _log.key) USING _limit, _log.keep;
        GET DIAGNOSTICS _deleted = ROW_COUNT;
        _all := _all + _deleted;
        IF _deleted < _limit THEN
            UPDATE jobs.tb_retention AS r SET looked_at = now() WHERE r.status = _log.status;
        END IF;
    END LOOP;
    RETURN _all;
END
$$;
COMMENT ON FUNCTION jobs.prune_logs() IS 'Deletes rows of the audit log and of the notifications that are older than jobs.tb_retention says.';
