-- object: function jobs.default_is_small()
-- drop: DROP FUNCTION jobs.default_is_small()
-- Whether the DEFAULT partitions can be read through in an instant, which every ATTACH does under a lock. They are empty
-- unless upkeep got none of its locks for a day; what is in them then stays there, and newer jobs too.
CREATE OR REPLACE FUNCTION jobs.default_is_small() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_relation_size('jobs.tb_job_run_default') + pg_relation_size('jobs.tb_job_outcome_default')
        + pg_relation_size('jobs.tb_job_attempt_default') < 67108864
$$;

-- object: function jobs.partitions_ahead(bigint)
-- drop: DROP FUNCTION jobs.partitions_ahead(bigint)
-- How many ranges to make ahead of the last job: those of a day like the last one, and two. So a dump of hours, which
-- holds the locks that a new range needs, sends no job to the DEFAULT partition.
CREATE OR REPLACE FUNCTION jobs.partitions_ahead(_last bigint) RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT 2 + least(20, coalesce(_last - (
        SELECT j.pk_job_run
        FROM jobs.tb_job_run AS j
        -- Ids begin with the time.
        WHERE j.id >= rpad(lpad(to_hex((extract(epoch FROM now() - interval '1 day') * 1000)::bigint), 12, '0'), 32, '0')::uuid
        ORDER BY j.id
        LIMIT 1), 0) / 1000000)::integer
$$;

-- object: function jobs.add_partition(text, bigint)
-- drop: DROP FUNCTION jobs.add_partition(text, bigint)
-- Makes the partition of a million jobs with the given number, unless it exists. It is built apart and then attached,
-- which locks writers out of nothing. A range whose first jobs already went to the DEFAULT partition is left there.
CREATE OR REPLACE FUNCTION jobs.add_partition(_table text, _number bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _name text := format('%s_p%s', _table, _number);
BEGIN
    IF to_regclass(format('jobs.%I', _name)) IS NOT NULL OR NOT jobs.default_is_small() THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE jobs.%I (LIKE jobs.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)',
        _name, _table);
    -- As its parent, which alone has policies: read by itself it shows its owner everything, and others nothing.
    EXECUTE format('ALTER TABLE jobs.%I ENABLE ROW LEVEL SECURITY', _name);
    EXECUTE format('ALTER TABLE jobs.%I ATTACH PARTITION jobs.%I FOR VALUES FROM (%s) TO (%s)',
        _table, _name, _number * 1000000, (_number + 1) * 1000000);
EXCEPTION WHEN check_violation THEN
    RAISE DEBUG 'jobs of range % of % stay in the default partition', _number, _table;
END
$$;

-- object: function jobs.maintain()
-- drop: DROP FUNCTION jobs.maintain()
-- Keeps partitions ahead of the last job, and removes what nobody asks for any more. Any worker may call it at
-- any time: one at a time does the work, and it gives up rather than make others queue behind its locks.
CREATE OR REPLACE FUNCTION jobs.maintain() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
    _last bigint := (SELECT s.last_value FROM jobs.tb_job_run_pk_job_run_seq AS s);
    _current bigint := _last / 1000000;
    _ranges bigint := (SELECT count(*) FROM jobs.v_partition);
BEGIN
    IF NOT pg_try_advisory_xact_lock(1399869772, 2) THEN
        RETURN;
    END IF;

    DELETE FROM jobs.tb_job_waiter AS w WHERE w.expires_at < now();
    -- Workers have come and gone, and some of them move no jobs.
    PERFORM jobs.assign_worker_lanes();
    PERFORM jobs.move_to_lanes();
    PERFORM jobs.move_late();
    -- Rescue goes by leases; a worker's row is kept for people as long as it has any.
    DELETE FROM jobs.tb_worker AS w
    WHERE w.heartbeat_at < now() - interval '1 day'
        AND NOT EXISTS (SELECT FROM jobs.tb_job_lease AS l WHERE l.worker = w.id);

    FOR _ahead IN 0..jobs.partitions_ahead(_last) LOOP
        PERFORM jobs.add_partition('tb_job_run', _current + _ahead);
        PERFORM jobs.add_partition('tb_job_outcome', _current + _ahead);
        PERFORM jobs.add_partition('tb_job_attempt', _current + _ahead);
    END LOOP;
    IF (SELECT count(*) FROM jobs.v_partition) > _ranges THEN
        -- Its locks are held until the end: whoever waits for one of them may hold one that a DROP needs.
        RETURN;
    END IF;
    BEGIN
        PERFORM jobs.expire();
    EXCEPTION WHEN lock_not_available THEN
        RAISE DEBUG 'no old jobs were dropped: %', SQLERRM;
    END;
EXCEPTION WHEN lock_not_available THEN
    -- Somebody holds a table (a dump, a migration). The ranges ahead leave time to try again.
    RAISE DEBUG 'no partition was made: %', SQLERRM;
END
$$;
COMMENT ON FUNCTION jobs.maintain() IS
    'Makes partitions ahead of need, drops old jobs and removes rows of workers that are long gone.';
