-- object: table jobs.tb_job_ready
-- drop: DROP TABLE jobs.tb_job_ready
-- The jobs that can start now, in the order in which they should. Rows come and go; only one that gets a lane of its own is
-- updated. What a completion must know about a job travels with it, so that the hot path never reads the job itself twice.
-- What is so of few jobs is NULL for the others, which costs a bit: a fresh job has never been claimed, and has no key.
CREATE TABLE jobs.tb_job_ready (
    lane BIGINT NOT NULL DEFAULT 0,
    pk_job_run BIGINT NOT NULL,
    rank INTEGER NOT NULL,
    operation_code INTEGER NOT NULL,
    epoch INTEGER,
    attempts INTEGER,
    crashes INTEGER,
    bound_code INTEGER,
    keyed BOOLEAN,
    has_on_success BOOLEAN,
    has_on_failure BOOLEAN,
    effect_possible BOOLEAN,
    put_off INTEGER,
    first_tried_at TIMESTAMPTZ,
    CONSTRAINT pk_tb_job_ready PRIMARY KEY (lane, rank, pk_job_run)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000);
COMMENT ON TABLE jobs.tb_job_ready IS 'Jobs that wait for a worker.';
COMMENT ON COLUMN jobs.tb_job_ready.lane IS 'The queue in which it stands: jobs.lane.';
COMMENT ON COLUMN jobs.tb_job_ready.rank IS 'The priority, negated: the smallest goes first.';
COMMENT ON COLUMN jobs.tb_job_ready.epoch IS 'How often the job was claimed. NULL: never.';
COMMENT ON COLUMN jobs.tb_job_ready.attempts IS 'Calls made; NULL: none. What was put off is not among them.';
COMMENT ON COLUMN jobs.tb_job_ready.crashes IS 'Workers that died with it. NULL: none.';
COMMENT ON COLUMN jobs.tb_job_ready.bound_code IS
    'The operation of a fallback that may have had its effect: no other may be called for this job. NULL, 0: none.';
COMMENT ON COLUMN jobs.tb_job_ready.keyed IS 'It holds a row of jobs.tb_job_key. Of this and the like NULL means no.';
COMMENT ON COLUMN jobs.tb_job_ready.effect_possible IS
    'An earlier attempt may have had its effect, so no later failure can prove that nothing happened.';
COMMENT ON COLUMN jobs.tb_job_ready.put_off IS
    'How often in a row it was tried without using an attempt up; NULL: never. It drives the backoff.';
COMMENT ON COLUMN jobs.tb_job_ready.first_tried_at IS
    'When a worker first had it, if it had to come back: from then on give_up_seconds are counted.';

-- object: table jobs.tb_job_scheduled
-- drop: DROP TABLE jobs.tb_job_scheduled
-- Delayed jobs and retries. Apart from the ready ones, because a million future jobs in the index that a claim scans
-- make each claim two hundred times slower.
CREATE TABLE jobs.tb_job_scheduled (
    run_at TIMESTAMPTZ NOT NULL,
    pk_job_run BIGINT NOT NULL,
    tenant_lane BIGINT NOT NULL DEFAULT 0,
    rank INTEGER NOT NULL,
    operation_code INTEGER NOT NULL,
    epoch INTEGER,
    attempts INTEGER,
    crashes INTEGER,
    bound_code INTEGER,
    keyed BOOLEAN,
    has_on_success BOOLEAN,
    has_on_failure BOOLEAN,
    effect_possible BOOLEAN,
    after_pk BIGINT,
    put_off INTEGER,
    first_tried_at TIMESTAMPTZ,
    CONSTRAINT pk_tb_job_scheduled PRIMARY KEY (run_at, pk_job_run),
    CONSTRAINT uq_tb_job_scheduled_job UNIQUE (pk_job_run)
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000);
COMMENT ON TABLE jobs.tb_job_scheduled IS 'Jobs that wait for a time: delayed ones and retries; or for the end of another.';
COMMENT ON COLUMN jobs.tb_job_scheduled.after_pk IS
    'The earlier job of the same key, for whose end it waits. Then run_at is infinity.';

-- object: table jobs.tb_job_lease
-- drop: DROP TABLE jobs.tb_job_lease
-- What runs. Every write about a running job compares epoch and worker, so a worker that lost its lease can write
-- nothing. Half of each page is free for heartbeats, which then touch no index.
CREATE TABLE jobs.tb_job_lease (
    pk_job_run BIGINT NOT NULL,
    tenant_lane BIGINT,
    rank INTEGER,
    operation_code INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    worker_code INTEGER,
    crashes INTEGER,
    bound_code INTEGER,
    worker UUID,
    claimed_at TIMESTAMPTZ NOT NULL,
    renewed_at TIMESTAMPTZ,
    deadline_at TIMESTAMPTZ,
    cancel_requested BOOLEAN,
    keyed BOOLEAN,
    has_on_success BOOLEAN,
    has_on_failure BOOLEAN,
    effect_possible BOOLEAN,
    put_off INTEGER,
    first_tried_at TIMESTAMPTZ,
    CONSTRAINT pk_tb_job_lease PRIMARY KEY (pk_job_run)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000);
COMMENT ON TABLE jobs.tb_job_lease IS 'Jobs that a worker has.';
COMMENT ON COLUMN jobs.tb_job_lease.attempt IS 'The number of this call, if it is made.';
COMMENT ON COLUMN jobs.tb_job_lease.tenant_lane IS 'The tenant''s part of its lane. NULL: 0.';
COMMENT ON COLUMN jobs.tb_job_lease.rank IS 'NULL: 0.';
COMMENT ON COLUMN jobs.tb_job_lease.worker_code IS 'Who has it: jobs.tb_worker_code.';
COMMENT ON COLUMN jobs.tb_job_lease.bound_code IS
    'The operation of the fallback that carries it out. Negative: an earlier attempt was that fallback''s, and it has not begun now.';
COMMENT ON COLUMN jobs.tb_job_lease.worker IS 'Only of leases from before workers had codes.';
COMMENT ON COLUMN jobs.tb_job_lease.renewed_at IS
    'The last sign of life since the claim, if there was one; ten seconds later the job is rescued.';
COMMENT ON COLUMN jobs.tb_job_lease.deadline_at IS 'Where it is absent the job''s timeout tells it.';

-- object: table jobs.tb_job_callback
-- drop: DROP TABLE jobs.tb_job_callback
-- Jobs whose call is over and whose callback has not succeeded yet. In the ordinary case a row lives only inside the
-- completing transaction.
CREATE TABLE jobs.tb_job_callback (
    pk_job_run BIGINT NOT NULL,
    kind TEXT NOT NULL,
    result JSONB,
    epoch INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    keyed BOOLEAN NOT NULL,
    effect_possible BOOLEAN NOT NULL,
    bound_code INTEGER,
    failure_class TEXT,
    error_message TEXT,
    resource_usage JSONB,
    worker UUID,
    started_at TIMESTAMPTZ,
    tries INTEGER NOT NULL DEFAULT 0,
    run_at TIMESTAMPTZ,
    last_error TEXT,
    CONSTRAINT pk_tb_job_callback PRIMARY KEY (pk_job_run),
    CONSTRAINT ck_tb_job_callback_kind CHECK (kind IN ('success', 'failure'))
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000);
COMMENT ON TABLE jobs.tb_job_callback IS 'Finished calls whose callback waits.';
COMMENT ON COLUMN jobs.tb_job_callback.result IS 'What the callback is given: the output, or the error.';
COMMENT ON COLUMN jobs.tb_job_callback.attempts IS 'Calls made. The callback''s own are counted in tries.';
COMMENT ON COLUMN jobs.tb_job_callback.bound_code IS 'As in jobs.tb_job_outcome.';
COMMENT ON COLUMN jobs.tb_job_callback.worker IS 'As in jobs.tb_job_outcome.';
COMMENT ON COLUMN jobs.tb_job_callback.run_at IS
    'When it is tried next. NULL: given up, kept so that jobs.retry can repeat the callback alone.';

-- object: table jobs.tb_job_key
-- drop: DROP TABLE jobs.tb_job_key
-- Uniqueness, only for jobs that ask for it.
CREATE TABLE jobs.tb_job_key (
    key BYTEA PRIMARY KEY,
    pk_job_run BIGINT NOT NULL,
    rule TEXT NOT NULL,
    CONSTRAINT ck_tb_job_key_rule CHECK (rule IN ('in_flight', 'latest', 'once'))
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
COMMENT ON TABLE jobs.tb_job_key IS
    'SHA-256 of (tenant, service, operation, identifier), held by the newest job of that name.';

-- object: table jobs.tb_job_waiter
-- drop: DROP TABLE jobs.tb_job_waiter
-- A notification makes commits queue up behind each other, so only jobs that somebody waits for send one.
CREATE TABLE jobs.tb_job_waiter (
    pk_job_run BIGINT PRIMARY KEY,
    expires_at TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE jobs.tb_job_waiter IS 'Jobs whose end is announced on the channel jobs_done.';

-- object: table jobs.tb_worker_code
-- drop: DROP TABLE jobs.tb_worker_code
-- Many rows name their worker, and its id has four times as many bytes. A row per worker that ever was: history refers to it.
CREATE TABLE jobs.tb_worker_code (
    code INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id UUID NOT NULL,
    CONSTRAINT uq_tb_worker_code_id UNIQUE (id)
);
COMMENT ON TABLE jobs.tb_worker_code IS 'Short names of worker processes, for good.';

-- object: data jobs.tb_job_lease.worker_code
-- Leases from before workers had codes.
INSERT INTO jobs.tb_worker_code (id)
SELECT DISTINCT l.worker FROM jobs.tb_job_lease AS l WHERE l.worker IS NOT NULL AND l.worker_code IS NULL
ON CONFLICT (id) DO NOTHING;
UPDATE jobs.tb_job_lease AS l SET worker_code = w.code
FROM jobs.tb_worker_code AS w
WHERE w.id = l.worker AND l.worker_code IS NULL;

-- object: table jobs.tb_worker
-- drop: DROP TABLE jobs.tb_worker
-- A row per start of a worker process; its id is random, because host and pod names are used again.
CREATE TABLE jobs.tb_worker (
    id UUID PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    capabilities JSONB NOT NULL,
    started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    heartbeat_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    operations INTEGER[],
    passed_over BIGINT[],
    registry INTEGER
) WITH (fillfactor = 50);
COMMENT ON TABLE jobs.tb_worker IS 'Worker processes. Rescue goes by the leases, and spares those that are passed over.';
COMMENT ON COLUMN jobs.tb_worker.operations IS 'What it claims, by code and in their order. NULL: it has not claimed yet.';
COMMENT ON COLUMN jobs.tb_worker.passed_over IS
    'Jobs that it has and whose leases its last heartbeat found locked: they are not renewed, and not lost. NULL: none.';
COMMENT ON COLUMN jobs.tb_worker.registry IS 'The registry that it runs, a row of jobs.tb_registry; NULL: it has none.';

-- object: index jobs.idx_tb_job_scheduled_after
CREATE INDEX idx_tb_job_scheduled_after ON jobs.tb_job_scheduled (after_pk) WHERE after_pk IS NOT NULL;

-- object: index jobs.idx_tb_job_callback_due
CREATE INDEX idx_tb_job_callback_due ON jobs.tb_job_callback (run_at) WHERE run_at IS NOT NULL;

-- object: index jobs.idx_tb_job_key_job
CREATE INDEX idx_tb_job_key_job ON jobs.tb_job_key (pk_job_run);
