-- object: grant nothing to PUBLIC
-- Every function of the queue runs with its owner's rights, so nobody executes one that was not given to him.
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA jobs FROM PUBLIC;

-- object: grant the views' own functions
-- They compute, and read nothing but how operations stand (jobs.held_by); whoever may read a view needs them, and the names
-- of workers.
GRANT EXECUTE ON FUNCTION jobs.tenant_lane(uuid), jobs.lane(boolean, integer, bigint), jobs.usage_figure(jsonb, text),
    jobs.time_of(uuid), jobs.held_by(integer, uuid) TO PUBLIC;
GRANT SELECT ON jobs.tb_worker_code TO PUBLIC;
