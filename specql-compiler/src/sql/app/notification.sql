-- object: table app.tb_notification
-- drop: DROP TABLE app.tb_notification
CREATE TABLE app.tb_notification (
    pk_notification BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id UUID NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    tenant_id UUID,
    channel TEXT NOT NULL,
    recipient TEXT,
    message TEXT,
    created_by UUID,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE app.tb_notification IS 'What `notify` steps said: one row for each';

-- object: policy row level security ON app.tb_notification
-- drop: ALTER TABLE app.tb_notification DISABLE ROW LEVEL SECURITY
-- The owner is not bound; any other role to which it is granted sees what was said in the name of its tenant, and without a tenant
-- what was said in nobody's.
ALTER TABLE app.tb_notification ENABLE ROW LEVEL SECURITY;

-- object: policy tenant ON app.tb_notification
CREATE POLICY tenant ON app.tb_notification
    USING (tenant_id IS NOT DISTINCT FROM nullif(current_setting('app.tenant_id', true), '')::uuid);

-- object: function app.notify(text, text, text, uuid, uuid)
-- drop: DROP FUNCTION app.notify(text, text, text, uuid, uuid)
CREATE OR REPLACE FUNCTION app.notify(
    _recipient TEXT, _channel TEXT, _message TEXT, _tenant_id UUID, _user_id UUID)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $specql$
DECLARE
    _id UUID;
BEGIN
    INSERT INTO app.tb_notification AS n (tenant_id, channel, recipient, message, created_by)
    VALUES (_tenant_id, _channel, _recipient, _message, _user_id)
    RETURNING n.id INTO _id;
    -- Any role may listen, in the name of any tenant: what was said is read from the row, by those who may.
    PERFORM pg_notify(_channel, jsonb_build_object('id', _id)::text);
END;
$specql$;
COMMENT ON FUNCTION app.notify(text, text, text, uuid, uuid) IS
    'Keeps a notification and, once the transaction commits, tells those who listen to its channel';
REVOKE ALL ON FUNCTION app.notify(text, text, text, uuid, uuid) FROM PUBLIC;
