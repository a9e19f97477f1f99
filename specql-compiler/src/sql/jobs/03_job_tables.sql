-- object: table jobs.tb_job_run
-- drop: DROP TABLE jobs.tb_job_run
-- A job, written once and never updated; where it stands is in the narrow tables below, and `jobs.v_job_run` puts
-- both together. The three partitioned tables share their ranges of pk_job_run, so old jobs go by DROP, not DELETE.
--
-- What many jobs share is a number here: the operation's and the policy's code. Names are columns all the same, for a plain
-- INSERT, and for jobs from before there were codes. What a value may be is checked by jobs.check_job: constraints of the table
-- would be read and compiled anew for each job.
CREATE TABLE jobs.tb_job_run (
    pk_job_run BIGINT GENERATED ALWAYS AS IDENTITY,
    id UUID NOT NULL,
    identifier TEXT,
    idempotency_key TEXT,
    service_name TEXT,
    operation TEXT,
    execution_type TEXT,
    runner_config JSONB,
    security_context JSONB,
    input_data JSONB NOT NULL DEFAULT '{}',
    tenant_id UUID,
    triggered_by UUID,
    correlation_id TEXT,
    entity_type TEXT,
    entity_pk BIGINT,
    max_attempts INTEGER,
    timeout_seconds INTEGER,
    priority INTEGER NOT NULL DEFAULT 0,
    run_at TIMESTAMPTZ,
    unique_rule TEXT,
    on_success TEXT,
    on_failure TEXT,
    policy_hash TEXT,
    trace_context TEXT,
    created_at TIMESTAMPTZ,
    operation_code INTEGER,
    policy_code INTEGER,
    input_digest BYTEA,
    give_up_seconds INTEGER,
    callback_rows JSONB,
    CONSTRAINT pk_tb_job_run PRIMARY KEY (pk_job_run)
) PARTITION BY RANGE (pk_job_run);
COMMENT ON TABLE jobs.tb_job_run IS 'Jobs as they were queued. Read jobs.v_job_run to see where they stand.';
COMMENT ON COLUMN jobs.tb_job_run.id IS 'Tells its job''s key, to who has jobs.tb_id_key: jobs.pk_of.';
COMMENT ON COLUMN jobs.tb_job_run.created_at IS 'Where it is absent the id tells it: jobs.time_of.';
COMMENT ON COLUMN jobs.tb_job_run.runner_config IS 'A record for audit. No worker reads it.';
COMMENT ON COLUMN jobs.tb_job_run.security_context IS 'A record for audit. No worker reads it.';
COMMENT ON COLUMN jobs.tb_job_run.max_attempts IS 'Where it is absent the operation''s own applies.';
COMMENT ON COLUMN jobs.tb_job_run.timeout_seconds IS 'Where it is absent the operation''s own applies.';
COMMENT ON COLUMN jobs.tb_job_run.give_up_seconds IS 'Where it is absent the operation''s own applies.';
COMMENT ON COLUMN jobs.tb_job_run.callback_rows IS
    'The other rows that its callbacks read again: public ids by the names that they have there.';
COMMENT ON COLUMN jobs.tb_job_run.priority IS 'Higher goes first.';
COMMENT ON COLUMN jobs.tb_job_run.unique_rule IS 'Absent where the job never asked for a key.';
COMMENT ON COLUMN jobs.tb_job_run.operation_code IS 'jobs.tb_operation. Absent in jobs that ended before there were codes.';
COMMENT ON COLUMN jobs.tb_job_run.policy_code IS 'jobs.tb_policy_code: the policy in force when it was queued.';
COMMENT ON COLUMN jobs.tb_job_run.input_digest IS 'Of a job with a key: tells whether another call of that name asks for the same.';

-- object: table jobs.tb_job_run_p0
-- The first range; jobs.maintain() keeps two ahead of the last job.
CREATE TABLE jobs.tb_job_run_p0 PARTITION OF jobs.tb_job_run FOR VALUES FROM (MINVALUE) TO (1000000);

-- object: table jobs.tb_job_run_default
-- Takes the jobs of a range that nobody made in time. None is ever refused for want of a partition.
CREATE TABLE jobs.tb_job_run_default PARTITION OF jobs.tb_job_run DEFAULT;

-- object: table jobs.tb_job_outcome
-- drop: DROP TABLE jobs.tb_job_outcome
-- One row a finished job; its presence is what "finished" means.
CREATE TABLE jobs.tb_job_outcome (
    pk_job_run BIGINT NOT NULL,
    epoch INTEGER NOT NULL,
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    output_data JSONB,
    failure_class TEXT,
    error_message TEXT,
    resource_usage JSONB,
    effect_possible BOOLEAN,
    bound_code INTEGER,
    worker UUID,
    worker_code INTEGER,
    started_at TIMESTAMPTZ,
    completed_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT pk_tb_job_outcome PRIMARY KEY (pk_job_run),
    CONSTRAINT ck_tb_job_outcome_status CHECK (status IN ('completed', 'failed', 'cancelled')),
    CONSTRAINT ck_tb_job_outcome_class CHECK ((failure_class IS NULL) = (status = 'completed'))
) PARTITION BY RANGE (pk_job_run);
COMMENT ON TABLE jobs.tb_job_outcome IS 'What became of the jobs that are done.';
COMMENT ON COLUMN jobs.tb_job_outcome.effect_possible IS
    'Of a job that did not succeed: a call may have had its effect all the same. Then jobs.retry lets nobody else do it.';
COMMENT ON COLUMN jobs.tb_job_outcome.bound_code IS 'The fallback''s operation that may have had it, if one was called.';
COMMENT ON COLUMN jobs.tb_job_outcome.worker IS 'As worker_code, of jobs that ended before workers had codes.';
COMMENT ON COLUMN jobs.tb_job_outcome.worker_code IS
    'Whose call succeeded: then this row is the record of that attempt too. NULL where jobs.tb_job_attempt has it.';

-- object: table jobs.tb_job_outcome_p0
CREATE TABLE jobs.tb_job_outcome_p0 PARTITION OF jobs.tb_job_outcome FOR VALUES FROM (MINVALUE) TO (1000000);

-- object: table jobs.tb_job_outcome_default
CREATE TABLE jobs.tb_job_outcome_default PARTITION OF jobs.tb_job_outcome DEFAULT;

-- object: table jobs.tb_job_attempt
-- drop: DROP TABLE jobs.tb_job_attempt
-- The audit trail, only ever added to. A row is an event; one that ended a lease says when the lease began. What has a
-- row anyway is not written twice: a running attempt is its lease, and an attempt that succeeded is the job's outcome,
-- so the ordinary job has none here. jobs.v_job_attempt puts the events together.
CREATE TABLE jobs.tb_job_attempt (
    pk_job_run BIGINT NOT NULL,
    epoch INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    event TEXT NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    claimed_at TIMESTAMPTZ,
    counted BOOLEAN,
    worker UUID,
    failure_class TEXT,
    message TEXT,
    resource_usage JSONB,
    CONSTRAINT ck_tb_job_attempt_event CHECK (event IN
        ('refused', 'finished', 'released', 'lost', 'callback_raised', 'cancelled', 'retried', 'row_gone'))
) PARTITION BY RANGE (pk_job_run);
COMMENT ON TABLE jobs.tb_job_attempt IS 'What happened to jobs on the way. Read jobs.v_job_attempt for the whole story.';
COMMENT ON COLUMN jobs.tb_job_attempt.claimed_at IS 'When the attempt that this event ended was begun.';
COMMENT ON COLUMN jobs.tb_job_attempt.counted IS 'Whether that attempt was used up: its call was made.';

-- object: table jobs.tb_job_attempt_p0
CREATE TABLE jobs.tb_job_attempt_p0 PARTITION OF jobs.tb_job_attempt FOR VALUES FROM (MINVALUE) TO (1000000);

-- object: table jobs.tb_job_attempt_default
CREATE TABLE jobs.tb_job_attempt_default PARTITION OF jobs.tb_job_attempt DEFAULT;

-- object: index jobs.idx_tb_job_run_id
-- For people, and for ids that do not tell their job's key: ids are ordered by time, as the rows are. The functions go by
-- jobs.pk_of, so that no job pays for an index entry of its own.
CREATE INDEX idx_tb_job_run_id ON jobs.tb_job_run USING brin (id) WITH (pages_per_range = 32);

-- object: index jobs.idx_tb_job_run_correlation
CREATE INDEX idx_tb_job_run_correlation ON jobs.tb_job_run (correlation_id) WHERE correlation_id IS NOT NULL;

-- object: index jobs.idx_tb_job_run_entity
CREATE INDEX idx_tb_job_run_entity ON jobs.tb_job_run (entity_type, entity_pk) WHERE entity_type IS NOT NULL;

-- object: index jobs.idx_tb_job_attempt_job
CREATE INDEX idx_tb_job_attempt_job ON jobs.tb_job_attempt (pk_job_run);
