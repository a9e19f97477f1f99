-- object: function jobs.code_of(uuid)
-- drop: DROP FUNCTION jobs.code_of(uuid)
-- The code of a worker; NULL where it has none: it has never had a lease.
CREATE OR REPLACE FUNCTION jobs.code_of(_worker uuid) RETURNS integer
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT w.code FROM jobs.tb_worker_code AS w WHERE w.id = _worker);
END
$$;

-- object: function jobs.worker_code(uuid)
-- drop: DROP FUNCTION jobs.worker_code(uuid)
-- The code of a worker, which gets one with its first claim.
CREATE OR REPLACE FUNCTION jobs.worker_code(_worker uuid) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _code integer := jobs.code_of(_worker);
BEGIN
    IF _code IS NULL THEN
        INSERT INTO jobs.tb_worker_code (id) VALUES (_worker) ON CONFLICT (id) DO NOTHING;
        _code := jobs.code_of(_worker);
    END IF;
    RETURN _code;
END
$$;

-- object: function jobs.name_worker()
-- drop: DROP FUNCTION jobs.name_worker()
-- A claim that was under way when workers were given codes names its worker by the id.
CREATE OR REPLACE FUNCTION jobs.name_worker() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.worker_code := jobs.worker_code(NEW.worker);
    RETURN NEW;
END
$$;

-- object: trigger tr_tb_job_lease_worker ON jobs.tb_job_lease
CREATE TRIGGER tr_tb_job_lease_worker BEFORE INSERT ON jobs.tb_job_lease
FOR EACH ROW WHEN (NEW.worker_code IS NULL) EXECUTE FUNCTION jobs.name_worker();

-- object: function jobs.register_worker(uuid, text, text, jsonb, integer)
-- drop: DROP FUNCTION jobs.register_worker(uuid, text, text, jsonb, integer)
-- Announces a worker process. The id is drawn anew at every start. _registry is what jobs.register_operations answered; a
-- worker without one has no say in what stands of operations. Of the capabilities the database reads operations, the names
-- (service.operation) that it serves now, and not_ready, which says of others why not.
CREATE OR REPLACE FUNCTION jobs.register_worker(
    _worker uuid, _name text, _version text, _capabilities jsonb, _registry integer DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM jobs.lock_registries();
    -- A worker in Rust from before this parameter says so by its capabilities; no other has a registry.
    IF _registry IS NULL AND _capabilities ?& '{operations,concurrency}' THEN
        _registry := nullif(current_setting('specql.registry', true), '')::integer;
    END IF;
    INSERT INTO jobs.tb_worker (id, name, version, capabilities, registry)
    VALUES (_worker, _name, _version, coalesce(_capabilities, '{}'), _registry)
    ON CONFLICT (id) DO UPDATE SET heartbeat_at = now();
    PERFORM jobs.see_worker(_registry);
    PERFORM jobs.hurry_unread();
END
$$;

-- object: function jobs.announce_worker(uuid, text, text, jsonb, integer)
-- drop: DROP FUNCTION jobs.announce_worker(uuid, text, text, jsonb, integer)
-- Says anew what a worker is and serves, where it stands in the list: when that has changed, and every minute.
CREATE OR REPLACE FUNCTION jobs.announce_worker(
    _worker uuid, _name text, _version text, _capabilities jsonb, _registry integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM jobs.lock_registries();
    UPDATE jobs.tb_worker AS w
    SET name = _name, version = _version, capabilities = coalesce(_capabilities, '{}'), registry = _registry,
        -- A worker that is ready for nothing does not claim, and so would not say that it serves nothing.
        operations = CASE WHEN w.operations IS NULL OR jsonb_typeof(_capabilities -> 'operations') IS DISTINCT FROM 'array'
            THEN w.operations
            ELSE ARRAY(
                SELECT o.code FROM jobs.tb_operation AS o
                WHERE _capabilities -> 'operations' ? (o.service_name || '.' || o.operation) ORDER BY o.code) END
    WHERE w.id = _worker;
    IF FOUND THEN
        PERFORM jobs.see_worker(_registry);
        PERFORM jobs.assign_worker_lanes();
    END IF;
END
$$;

-- object: function jobs.see_worker(integer)
-- drop: DROP FUNCTION jobs.see_worker(integer)
-- A worker with this registry is at work, or was until now.
CREATE OR REPLACE FUNCTION jobs.see_worker(_registry integer) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE jobs.tb_registry AS r SET worker_seen_at = clock_timestamp() WHERE r.code = _registry;
    PERFORM jobs.apply_registries();
END
$$;

-- object: function jobs.serving(uuid, integer[])
-- drop: DROP FUNCTION jobs.serving(uuid, integer[])
-- What a session remembers (specql.serving) of a claim's worker and operations that are noted.
CREATE OR REPLACE FUNCTION jobs.serving(_worker uuid, _operations integer[]) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT pg_catalog.concat_ws(' ', _worker, pg_catalog.hash_array_extended(_operations, 0))
$$;

-- object: function jobs.note_operations(uuid, integer[])
-- drop: DROP FUNCTION jobs.note_operations(uuid, integer[])
-- Notes what a worker claims, once for each of its connections, and gives what it does not claim lanes of its own. What
-- cannot be done because somebody holds a row, or because the worker has not registered, is left for its next claim.
CREATE OR REPLACE FUNCTION jobs.note_operations(_worker uuid, _operations integer[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _sorted integer[] := ARRAY(SELECT DISTINCT s.code FROM unnest(_operations) AS s (code) ORDER BY s.code);
    _known integer[];
BEGIN
    SELECT w.operations INTO _known FROM jobs.tb_worker AS w WHERE w.id = _worker FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF _known IS DISTINCT FROM _sorted THEN
        UPDATE jobs.tb_worker AS w SET operations = _sorted WHERE w.id = _worker;
    END IF;
    IF jobs.assign_worker_lanes() THEN
        PERFORM set_config('specql.serving', jobs.serving(_worker, _operations), false);
    END IF;
END
$$;

-- object: function jobs.breaking_migration()
-- drop: DROP FUNCTION jobs.breaking_migration()
-- The last migration that broke with older binaries: a worker that does not have it must not start. No row where there is none.
CREATE OR REPLACE FUNCTION jobs.breaking_migration() RETURNS TABLE (version bigint, reason text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- The queue can be without the schema app.
    _schema CONSTANT text := 'app';
    _table CONSTANT text := 'tb_breaking_migration';
BEGIN
    IF to_regclass(format('%I.%I', _schema, _table)) IS NOT NULL THEN
        EXECUTE format('SELECT b.version, b.reason FROM %I.%I AS b ORDER BY b.version DESC LIMIT 1', _schema, _table)
            INTO version, reason;
        IF version IS NOT NULL THEN
            RETURN NEXT;
        END IF;
    END IF;
END
$$;

-- object: function jobs.unregister_worker(uuid)
-- drop: DROP FUNCTION jobs.unregister_worker(uuid)
-- Takes leave. Leases that the worker did not give back are rescued like those of a dead one; until then it keeps its shares.
CREATE OR REPLACE FUNCTION jobs.unregister_worker(_worker uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _registry integer;
    _worker_code integer := jobs.code_of(_worker);
BEGIN
    PERFORM jobs.lock_registries();
    DELETE FROM jobs.tb_worker AS w WHERE w.id = _worker RETURNING w.registry INTO _registry;
    PERFORM jobs.see_worker(_registry);
    DELETE FROM jobs.tb_limit_share AS s
    WHERE s.worker = _worker AND NOT EXISTS (SELECT FROM jobs.tb_job_lease AS l WHERE l.worker_code = _worker_code);
    IF FOUND THEN
        PERFORM jobs.wake_workers();
    END IF;
END
$$;
