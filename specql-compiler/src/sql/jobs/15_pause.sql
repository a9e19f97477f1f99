-- object: function jobs.pause(text, text, text, uuid, text)
-- drop: DROP FUNCTION jobs.pause(text, text, text, uuid, text)
-- Jobs that fit all that is given are not started until jobs.resume says the same; what runs goes on. At least a service, an
-- execution type or a tenant must be named. Pausing twice is pausing once.
CREATE OR REPLACE FUNCTION jobs.pause(
    _service text DEFAULT NULL, _operation text DEFAULT NULL, _execution_type text DEFAULT NULL, _tenant_id uuid DEFAULT NULL,
    _reason text DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF _service IS NOT NULL AND NOT EXISTS (
        SELECT FROM jobs.tb_operation AS o
        WHERE o.service_name = _service AND (_operation IS NULL OR o.operation = _operation))
    THEN
        RAISE EXCEPTION 'there is no operation `%`', concat_ws('.', _service, _operation) USING ERRCODE = 'SQ404';
    END IF;
    LOCK TABLE jobs.tb_pause IN SHARE ROW EXCLUSIVE MODE;
    IF EXISTS (
        SELECT FROM jobs.tb_pause AS p
        WHERE (p.service_name, p.operation, p.execution_type, p.tenant_id)
            IS NOT DISTINCT FROM (_service, _operation, _execution_type, _tenant_id))
    THEN
        RETURN false;
    END IF;
    -- Whoever takes lanes away at this moment looks for pauses again when this one is there.
    PERFORM FROM jobs.tb_operation AS o
    WHERE (_service IS NOT NULL OR _execution_type IS NOT NULL)
        AND (_service IS NULL OR o.service_name = _service)
        AND (_operation IS NULL OR o.operation = _operation)
        AND (_execution_type IS NULL OR o.execution_type = _execution_type)
    ORDER BY o.service_name, o.operation
    FOR UPDATE;
    INSERT INTO jobs.tb_pause (service_name, operation, execution_type, tenant_id, reason)
    VALUES (_service, _operation, _execution_type, _tenant_id, _reason);
    PERFORM jobs.assign_lanes();
    RETURN true;
END
$$;
COMMENT ON FUNCTION jobs.pause(text, text, text, uuid, text) IS
    'Holds back the jobs of a service, an operation, an execution type or a tenant.';

-- object: function jobs.resume(text, text, text, uuid)
-- drop: DROP FUNCTION jobs.resume(text, text, text, uuid)
-- Ends the pause that was made with the same words. False: there is none.
CREATE OR REPLACE FUNCTION jobs.resume(
    _service text DEFAULT NULL, _operation text DEFAULT NULL, _execution_type text DEFAULT NULL, _tenant_id uuid DEFAULT NULL)
    RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM jobs.tb_pause AS p
    WHERE (p.service_name, p.operation, p.execution_type, p.tenant_id)
        IS NOT DISTINCT FROM (_service, _operation, _execution_type, _tenant_id);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM FROM jobs.tb_operation AS o
    WHERE (_service IS NOT NULL OR _execution_type IS NOT NULL)
        AND (_service IS NULL OR o.service_name = _service)
        AND (_operation IS NULL OR o.operation = _operation)
        AND (_execution_type IS NULL OR o.execution_type = _execution_type)
    ORDER BY o.service_name, o.operation
    FOR UPDATE;
    PERFORM jobs.assign_lanes();
    PERFORM jobs.wake_workers();
    RETURN true;
END
$$;
COMMENT ON FUNCTION jobs.resume(text, text, text, uuid) IS 'Ends a pause.';

-- object: function jobs.set_tenant_weight(uuid, integer)
-- drop: DROP FUNCTION jobs.set_tenant_weight(uuid, integer)
-- How many shares of the workers a tenant gets where several wait: 1 to 1000, 1 where nothing was said.
CREATE OR REPLACE FUNCTION jobs.set_tenant_weight(_tenant_id uuid, _weight integer) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO jobs.tb_tenant_weight (tenant_id, weight) VALUES (_tenant_id, _weight)
    ON CONFLICT (tenant_id) DO UPDATE SET weight = excluded.weight
$$;
COMMENT ON FUNCTION jobs.set_tenant_weight(uuid, integer) IS 'Gives a tenant more than one share of the workers.';
