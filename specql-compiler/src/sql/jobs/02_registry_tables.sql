-- object: table jobs.tb_operation
-- drop: DROP TABLE jobs.tb_operation
-- What this database knows of the registry. Enqueuing reads it; a worker trusts only the registry in its own binary.
CREATE TABLE jobs.tb_operation (
    code INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    service_name TEXT NOT NULL,
    operation TEXT NOT NULL,
    execution_type TEXT NOT NULL DEFAULT 'http',
    timeout_seconds INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    unique_rule TEXT NOT NULL DEFAULT 'in_flight',
    idempotent BOOLEAN NOT NULL DEFAULT false,
    policy_hash TEXT,
    limit_code INTEGER,
    has_breaker BOOLEAN NOT NULL DEFAULT false,
    has_fallback BOOLEAN NOT NULL DEFAULT false,
    own_lane BOOLEAN NOT NULL DEFAULT false,
    lane_for_workers BOOLEAN NOT NULL DEFAULT false,
    unmoved BOOLEAN NOT NULL DEFAULT false,
    lane_changed_at TIMESTAMPTZ,
    registered_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    policy_code INTEGER,
    give_up_seconds INTEGER NOT NULL DEFAULT 86400,
    CONSTRAINT ck_tb_operation_code CHECK (code BETWEEN 1 AND 1048575),
    CONSTRAINT uq_tb_operation_name UNIQUE (service_name, operation),
    CONSTRAINT ck_tb_operation_unique_rule CHECK (unique_rule IN ('in_flight', 'latest', 'once', 'never')),
    CONSTRAINT ck_tb_operation_limits CHECK (timeout_seconds > 0 AND max_attempts > 0)
);
COMMENT ON TABLE jobs.tb_operation IS
    'Operations of services, as the binaries that used this database declared them.';
COMMENT ON COLUMN jobs.tb_operation.idempotent IS
    'An attempt of unknown outcome may be repeated: by declaration, by HTTP method or by an idempotency header.';
COMMENT ON COLUMN jobs.tb_operation.give_up_seconds IS
    'How long a job is put off, from its first try: tries that make no call use no attempt up, and end by this time.';
COMMENT ON COLUMN jobs.tb_operation.limit_code IS 'The limit of its service, a row of jobs.tb_limit.';
COMMENT ON COLUMN jobs.tb_operation.has_breaker IS 'Calls stop for a while when too many fail: jobs.tb_circuit_breaker.';
COMMENT ON COLUMN jobs.tb_operation.has_fallback IS 'Another service may take a call over that was not started.';
COMMENT ON COLUMN jobs.tb_operation.own_lane IS
    'Its jobs must not stand in the way of others: something may hold them back (a limit, a breaker, a pause), or not every worker serves it. jobs.lane.';
COMMENT ON COLUMN jobs.tb_operation.lane_for_workers IS
    'It has a lane of its own only because not every worker serves it: who does may take its jobs from the shared lane too.';
COMMENT ON COLUMN jobs.tb_operation.unmoved IS 'Jobs of it may stand in the shared lane that belong in its own, and are being moved there.';
COMMENT ON COLUMN jobs.tb_operation.policy_hash IS
    'The policy in force at the last registration.';
COMMENT ON COLUMN jobs.tb_operation.policy_code IS 'The same by its number: recorded with every job that is queued.';

-- object: index jobs.idx_tb_operation_own_lane
-- A claim asks which of its operations have lanes of their own; mostly the answer is none.
CREATE INDEX idx_tb_operation_own_lane ON jobs.tb_operation (code) WHERE own_lane;

-- object: index jobs.idx_tb_operation_unmoved
CREATE INDEX idx_tb_operation_unmoved ON jobs.tb_operation (code) WHERE unmoved;

-- object: table jobs.tb_operation_policy
-- drop: DROP TABLE jobs.tb_operation_policy
-- Every policy that was ever in force, so that a job's policy_hash can be read years later. A record, never a source:
-- nothing that runs is taken from here.
CREATE TABLE jobs.tb_operation_policy (
    operation_code INTEGER NOT NULL,
    environment TEXT NOT NULL,
    policy_hash TEXT NOT NULL,
    runner_config JSONB,
    security_context JSONB,
    recorded_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT pk_tb_operation_policy PRIMARY KEY (operation_code, policy_hash, environment)
);
COMMENT ON TABLE jobs.tb_operation_policy IS 'Configuration and policy of operations, by environment and hash.';
COMMENT ON COLUMN jobs.tb_operation_policy.environment IS 'Empty where no environment was chosen.';

-- object: table jobs.tb_policy_code
-- drop: DROP TABLE jobs.tb_policy_code
-- A number for each policy, for jobs to name it by: a hash is as long as the rest of an ordinary job.
CREATE TABLE jobs.tb_policy_code (
    code INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    policy_hash TEXT NOT NULL,
    CONSTRAINT uq_tb_policy_code_hash UNIQUE (policy_hash)
);
COMMENT ON TABLE jobs.tb_policy_code IS 'Numbers of policies, by which jobs name them.';

-- object: table jobs.tb_callback
-- drop: DROP TABLE jobs.tb_callback
-- Filled by migrations alone. A job can name only a callback that stands here, and it runs only for the service,
-- operation and entity that it was generated for.
CREATE TABLE jobs.tb_callback (
    key TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    schema_name TEXT NOT NULL,
    function_name TEXT NOT NULL,
    batch_function TEXT,
    service_name TEXT NOT NULL,
    operation TEXT NOT NULL,
    entity_type TEXT,
    retired_at TIMESTAMPTZ,
    CONSTRAINT ck_tb_callback_kind CHECK (kind IN ('success', 'failure'))
);
COMMENT ON TABLE jobs.tb_callback IS 'Generated functions that run when a job ends.';
COMMENT ON COLUMN jobs.tb_callback.batch_function IS
    'Does the same for many jobs at once, where the callback is one update of each job''s own row.';
COMMENT ON COLUMN jobs.tb_callback.retired_at IS
    'The model no longer has it; it stays until no unfinished job names it.';
