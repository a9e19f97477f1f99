-- Numbers without gaps: invoices, say. PostgreSQL's own sequences leave gaps when a transaction is rolled back.

-- object: table app.tb_sequence
-- drop: DROP TABLE app.tb_sequence
CREATE TABLE app.tb_sequence (
    name TEXT NOT NULL,
    tenant_id UUID,
    last_number BIGINT NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE app.tb_sequence IS 'The last number that was taken from each `sequence(…)`, of each tenant';

-- object: index app.idx_tb_sequence_name
-- Not NULLS NOT DISTINCT, which came with PostgreSQL 15.
CREATE UNIQUE INDEX idx_tb_sequence_name ON app.tb_sequence (name, coalesce(tenant_id, '00000000-0000-0000-0000-000000000000'::uuid));

-- object: policy row level security ON app.tb_sequence
-- drop: ALTER TABLE app.tb_sequence DISABLE ROW LEVEL SECURITY
-- As those of app.tb_notification.
ALTER TABLE app.tb_sequence ENABLE ROW LEVEL SECURITY;

-- object: policy tenant ON app.tb_sequence
CREATE POLICY tenant ON app.tb_sequence
    USING (tenant_id IS NOT DISTINCT FROM nullif(current_setting('app.tenant_id', true), '')::uuid);

-- object: function app.next_number(text, uuid)
-- drop: DROP FUNCTION app.next_number(text, uuid)
-- The row is locked until the end of the transaction: who takes the next number waits, and gets this one if it is rolled back.
CREATE OR REPLACE FUNCTION app.next_number(_name TEXT, _tenant_id UUID) RETURNS BIGINT
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $specql$
    INSERT INTO app.tb_sequence AS s (name, tenant_id, last_number)
    VALUES (_name, _tenant_id, 1)
    ON CONFLICT (name, coalesce(tenant_id, '00000000-0000-0000-0000-000000000000'::uuid))
    DO UPDATE SET last_number = s.last_number + 1
    RETURNING s.last_number
$specql$;
COMMENT ON FUNCTION app.next_number(text, uuid) IS 'Takes the next number of a sequence';
REVOKE ALL ON FUNCTION app.next_number(text, uuid) FROM PUBLIC;
