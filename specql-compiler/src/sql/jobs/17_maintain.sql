-- object: function jobs.maintain()
-- drop: DROP FUNCTION jobs.maintain()
-- Keeps ranges ahead of the last job, and removes what nobody asks for any more. Any worker may call it at
-- any time: one at a time does the work, and it gives up rather than make others queue behind its locks.
CREATE OR REPLACE FUNCTION jobs.maintain() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms' AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(1399869772, 2) THEN
        RETURN;
    END IF;

    DELETE FROM jobs.tb_job_waiter AS w WHERE w.expires_at < now();
    -- Rescue goes by leases; a worker's row is kept for people as long as it has any.
    DELETE FROM jobs.tb_worker AS w
    WHERE w.heartbeat_at < now() - interval '1 day'
        AND NOT EXISTS (SELECT FROM jobs.tb_job_lease AS l WHERE l.worker_code = jobs.code_of(w.id));

    IF jobs.add_ranges() = 0 THEN
        -- Else its locks are held until the end: whoever waits for one of them may hold one that a DROP needs.
        PERFORM jobs.end_day();
        PERFORM jobs.prune_logs();
        BEGIN
            PERFORM jobs.expire();
        EXCEPTION WHEN lock_not_available THEN
            RAISE DEBUG 'no old jobs were dropped: %', SQLERRM;
        END;
    END IF;
    -- Workers have come and gone, and some of them move no jobs. Last, for what is moved cannot be claimed until the end.
    PERFORM jobs.assign_worker_lanes();
    PERFORM jobs.move_to_lanes();
    PERFORM jobs.move_late();
EXCEPTION WHEN lock_not_available THEN
    -- Somebody holds a table (a dump, a migration). The ranges ahead leave time to try again.
    RAISE DEBUG 'no range was made: %', SQLERRM;
END
$$;
COMMENT ON FUNCTION jobs.maintain() IS
    'Makes ranges ahead of need, drops old jobs, old log entries and rows of workers that are long gone.';
