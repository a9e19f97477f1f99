-- object: grant nothing to PUBLIC
-- Every function of the queue runs with its owner's rights, so nobody executes one that was not given to him.
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA jobs FROM PUBLIC;

-- object: grant the views' own functions
-- They compute, and read nothing but how operations stand (jobs.held_by); whoever may read a view needs them, and the names
-- of workers.
GRANT EXECUTE ON FUNCTION jobs.tenant_lane(uuid), jobs.lane(boolean, integer, bigint), jobs.usage_figure(jsonb, text),
    jobs.time_of(uuid), jobs.held_by(integer, uuid) TO PUBLIC;
GRANT SELECT ON jobs.tb_worker_code TO PUBLIC;

-- object: grant specql_enqueuer
-- drop: DO $$ BEGIN IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'specql_enqueuer') THEN REVOKE ALL ON TABLE jobs.tb_job_run FROM specql_enqueuer; REVOKE ALL ON SCHEMA jobs FROM specql_enqueuer; END IF; END $$
-- A plain INSERT of these columns, and nothing else: tenant, row and callbacks are for the functions to set.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'specql_enqueuer') THEN
        GRANT USAGE ON SCHEMA jobs TO specql_enqueuer;
        GRANT INSERT (service_name, operation, input_data, idempotency_key, correlation_id, priority, run_at)
            ON jobs.tb_job_run TO specql_enqueuer;
    END IF;
END
$$;

-- object: grant specql_worker
-- drop: DO $$ BEGIN IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'specql_worker') THEN REVOKE ALL ON ALL FUNCTIONS IN SCHEMA jobs FROM specql_worker; REVOKE ALL ON SCHEMA jobs FROM specql_worker; END IF; END $$
-- The worker's side of the protocol. It reads and writes no table.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'specql_worker') THEN
        GRANT USAGE ON SCHEMA jobs TO specql_worker;
        GRANT EXECUTE ON FUNCTION
            jobs.register_operations(jsonb),
            jobs.operations(),
            jobs.breaking_migration(),
            jobs.register_worker(uuid, text, text, jsonb, integer),
            jobs.announce_worker(uuid, text, text, jsonb, integer),
            jobs.unregister_worker(uuid),
            jobs.claim(uuid, integer[], integer, boolean, integer[], integer[]),
            jobs.heartbeat(uuid, bigint[], integer[]),
            jobs.complete(uuid, bigint[], integer[], jsonb[], jsonb[], boolean),
            jobs.fail(uuid, bigint[], integer[], text[], text[], bigint[], boolean[], jsonb[], boolean, boolean[]),
            jobs.trim_shares(uuid, integer[], integer[]),
            jobs.open_breaker(uuid, integer, bigint, bigint, text),
            jobs.close_breaker(uuid, integer),
            jobs.abandon_probe(uuid, integer),
            jobs.bind(uuid, bigint, integer, integer),
            jobs.release(uuid, bigint[], integer[], boolean),
            jobs.unheard_leases(uuid, bigint[], integer[]),
            jobs.promote(integer),
            jobs.move_to_lanes(integer),
            jobs.next_due(),
            jobs.run_callbacks(integer),
            jobs.rescue(),
            jobs.make_ranges(),
            jobs.maintain(),
            jobs.schedules(),
            jobs.run_schedule(text, text, text, timestamptz, timestamptz, integer, boolean),
            jobs.scheduled_tenants(timestamptz, text, uuid, integer),
            jobs.run_for_tenant(text, uuid, timestamptz),
            jobs.mark_job_started(uuid),
            jobs.complete_job_successfully(uuid, jsonb),
            jobs.fail_job(uuid, text)
        TO specql_worker;
    END IF;
END
$$;
