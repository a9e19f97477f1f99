-- object: schema app
-- drop: DROP SCHEMA app
CREATE SCHEMA IF NOT EXISTS app;
COMMENT ON SCHEMA app IS 'SpecQL: the public functions of actions, and what they need';

-- object: type app.mutation_result
-- drop: DROP TYPE app.mutation_result
CREATE TYPE app.mutation_result AS (
    id UUID,
    updated_fields TEXT[],
    status TEXT,
    message TEXT,
    object_data JSONB,
    extra_metadata JSONB
);
COMMENT ON TYPE app.mutation_result IS
    'What an action answers. status: success, validation:<code>, not_found, conflict:<constraint> or failed:<code>';

-- object: table app.tb_mutation_audit_log
-- drop: DROP TABLE app.tb_mutation_audit_log
CREATE TABLE app.tb_mutation_audit_log (
    pk_mutation_audit_log BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    action TEXT NOT NULL,
    entity_type TEXT NOT NULL,
    entity_id UUID,
    tenant_id UUID,
    user_id UUID,
    status TEXT NOT NULL,
    message TEXT,
    updated_fields TEXT[],
    jobs JSONB,
    error_sqlstate TEXT,
    error_message TEXT,
    error_context TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE app.tb_mutation_audit_log IS
    'One row for each call of an action, successful or not. Payloads are not kept: they may hold what nobody should read here';

-- object: policy row level security ON app.tb_mutation_audit_log
-- drop: ALTER TABLE app.tb_mutation_audit_log DISABLE ROW LEVEL SECURITY
-- The owner is not bound; any other role to which it is granted sees the calls of the tenant for which it acts.
ALTER TABLE app.tb_mutation_audit_log ENABLE ROW LEVEL SECURITY;

-- object: policy tenant ON app.tb_mutation_audit_log
CREATE POLICY tenant ON app.tb_mutation_audit_log
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);

-- object: table app.tb_open_migration
-- drop: DROP TABLE app.tb_open_migration
CREATE TABLE app.tb_open_migration (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    reverse_sql TEXT NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE app.tb_open_migration IS
    'In development: how to undo migrations that were applied before they were sealed';

-- object: table app.tb_breaking_migration
-- drop: DROP TABLE app.tb_breaking_migration
CREATE TABLE app.tb_breaking_migration (
    version BIGINT PRIMARY KEY,
    reason TEXT NOT NULL
);
COMMENT ON TABLE app.tb_breaking_migration IS
    'Migrations that took away what older binaries need: one whose newest migration is below the last of these must not run';

-- object: table app.tb_replaced_migration
-- drop: DROP TABLE app.tb_replaced_migration
CREATE TABLE app.tb_replaced_migration (
    version BIGINT NOT NULL,
    checksum BYTEA NOT NULL,
    baseline BIGINT NOT NULL,
    CONSTRAINT pk_tb_replaced_migration PRIMARY KEY (version, checksum)
);
COMMENT ON TABLE app.tb_replaced_migration IS
    'Migrations that a baseline stands for since they were squashed. Binaries from before find theirs here';
