-- object: function jobs.tenant_lane(uuid)
-- drop: DROP FUNCTION jobs.tenant_lane(uuid)
-- A tenant's part of a lane, 43 bits: 0 is nobody's. Two tenants share one with a probability of 1 in 10^13.
CREATE OR REPLACE FUNCTION jobs.tenant_lane(_tenant_id uuid) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN _tenant_id IS NULL THEN 0::bigint
        ELSE greatest(pg_catalog.uuid_hash_extended(_tenant_id, 0) & 8796093022207, 1) END
$$;

-- object: function jobs.lane(boolean, integer, bigint)
-- drop: DROP FUNCTION jobs.lane(boolean, integer, bigint)
-- Where a ready job queues: the operation's code above 43 bits of its tenant. All jobs of nobody that nothing can hold back
-- share lane 0, and are claimed in one scan; the others stand apart, so that a million jobs of a tenant, or of a service
-- that is paused, are never read on the way to a job that can run.
CREATE OR REPLACE FUNCTION jobs.lane(_own boolean, _operation_code integer, _tenant_lane bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN _own THEN _operation_code::bigint << 43 ELSE 0::bigint END + (_tenant_lane & 8796093022207)
$$;

-- object: function jobs.lanes_of(integer, uuid)
-- drop: DROP FUNCTION jobs.lanes_of(integer, uuid)
-- Where a job may stand: in its operation's own lane, or in the shared one where it was queued before there was any.
CREATE OR REPLACE FUNCTION jobs.lanes_of(_operation_code integer, _tenant_id uuid) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ARRAY[jobs.lane(false, _operation_code, jobs.tenant_lane(_tenant_id)),
        jobs.lane(true, _operation_code, jobs.tenant_lane(_tenant_id))]
$$;

-- object: table jobs.tb_limit
-- drop: DROP TABLE jobs.tb_limit
-- What a service's jobs may do over all workers together.
CREATE TABLE jobs.tb_limit (
    code INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    service_name TEXT NOT NULL,
    concurrency INTEGER,
    rate_starts INTEGER,
    rate_period_ms INTEGER,
    next_start_at TIMESTAMPTZ NOT NULL DEFAULT '-infinity',
    CONSTRAINT uq_tb_limit_service UNIQUE (service_name),
    CONSTRAINT ck_tb_limit_values CHECK (concurrency > 0 AND rate_starts > 0 AND rate_period_ms > 0),
    CONSTRAINT ck_tb_limit_rate CHECK ((rate_starts IS NULL) = (rate_period_ms IS NULL))
) WITH (fillfactor = 10);
COMMENT ON TABLE jobs.tb_limit IS 'Limits of services over all workers.';
COMMENT ON COLUMN jobs.tb_limit.concurrency IS 'Jobs that may run at once.';
COMMENT ON COLUMN jobs.tb_limit.next_start_at IS
    'Where the starts that were given out, evenly spaced, have come to (the theoretical arrival time of a GCRA).';

-- object: table jobs.tb_limit_share
-- drop: DROP TABLE jobs.tb_limit_share
-- How many jobs of a limited service a worker may run. Counting running jobs at every claim would make all workers queue up
-- for one row; a share is taken when it is needed, kept while it is used, and given back.
CREATE TABLE jobs.tb_limit_share (
    limit_code INTEGER NOT NULL,
    worker UUID NOT NULL,
    slots INTEGER NOT NULL,
    bound_at TIMESTAMPTZ,
    CONSTRAINT pk_tb_limit_share PRIMARY KEY (limit_code, worker),
    CONSTRAINT ck_tb_limit_share_slots CHECK (slots > 0)
) WITH (fillfactor = 10);
COMMENT ON TABLE jobs.tb_limit_share IS 'Parts of a concurrency limit that workers hold; their sum never exceeds it.';
COMMENT ON COLUMN jobs.tb_limit_share.bound_at IS
    'When the worker last took a slot of it for a fallback, give or take a second. What it counted before does not have that one.';

-- object: table jobs.tb_circuit_breaker
-- drop: DROP TABLE jobs.tb_circuit_breaker
-- A row for each operation whose breaker was ever opened.
CREATE TABLE jobs.tb_circuit_breaker (
    operation_code INTEGER PRIMARY KEY,
    state TEXT NOT NULL,
    open_for_ms BIGINT NOT NULL,
    open_until TIMESTAMPTZ NOT NULL,
    probe_worker UUID,
    probe_until TIMESTAMPTZ,
    opened_count BIGINT NOT NULL DEFAULT 1,
    reason TEXT,
    changed_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT ck_tb_circuit_breaker_state CHECK (state IN ('closed', 'open', 'half_open'))
);
COMMENT ON TABLE jobs.tb_circuit_breaker IS 'Circuit breakers, shared by all workers.';
COMMENT ON COLUMN jobs.tb_circuit_breaker.open_for_ms IS 'How long it stays open; doubled when the probe fails too.';
COMMENT ON COLUMN jobs.tb_circuit_breaker.probe_until IS
    'When half open: the one call that finds out is expected to end by then, or another is made.';

-- object: table jobs.tb_pause
-- drop: DROP TABLE jobs.tb_pause
-- What is not claimed: every job that fits all columns that are not NULL.
CREATE TABLE jobs.tb_pause (
    pk_pause BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    service_name TEXT,
    operation TEXT,
    execution_type TEXT,
    tenant_id UUID,
    reason TEXT,
    paused_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT ck_tb_pause_something CHECK (num_nonnulls(service_name, execution_type, tenant_id) > 0),
    CONSTRAINT ck_tb_pause_operation CHECK (operation IS NULL OR service_name IS NOT NULL)
);
COMMENT ON TABLE jobs.tb_pause IS 'Services, operations, types and tenants whose jobs wait: jobs.pause and jobs.resume.';

-- object: table jobs.tb_tenant_weight
-- drop: DROP TABLE jobs.tb_tenant_weight
CREATE TABLE jobs.tb_tenant_weight (
    tenant_id UUID PRIMARY KEY,
    weight INTEGER NOT NULL,
    CONSTRAINT ck_tb_tenant_weight_range CHECK (weight BETWEEN 1 AND 1000)
);
COMMENT ON TABLE jobs.tb_tenant_weight IS 'Tenants that get more than one share of the workers. Jobs of nobody have one.';
