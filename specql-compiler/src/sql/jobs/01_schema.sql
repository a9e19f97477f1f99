-- object: role specql_enqueuer
-- May put jobs into the queue, and nothing else. Roles belong to the whole server, so it may exist already, and an
-- ordinary owner may not be allowed to make it: then the queue works without it.
DO $$
BEGIN
    CREATE ROLE specql_enqueuer NOLOGIN;
EXCEPTION
    WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN
        RAISE DEBUG 'role specql_enqueuer was not created: %', SQLERRM;
END
$$;

-- object: role specql_worker
-- May take jobs and report what became of them.
DO $$
BEGIN
    CREATE ROLE specql_worker NOLOGIN;
EXCEPTION
    WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN
        RAISE DEBUG 'role specql_worker was not created: %', SQLERRM;
END
$$;

-- object: schema jobs
-- drop: DROP SCHEMA jobs
CREATE SCHEMA jobs;
COMMENT ON SCHEMA jobs IS 'The job queue: calls of outside services, queued in the transaction that needs them.';
