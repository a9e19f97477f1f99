-- Schedules: actions that are called at times of their own. Which times those are is worked out by workers, from the
-- cron rule in the time zone; that each of them is run once is decided here, by the row.

-- object: table jobs.tb_schedule
-- drop: DROP TABLE jobs.tb_schedule
CREATE TABLE jobs.tb_schedule (
    key TEXT PRIMARY KEY,
    entity_type TEXT NOT NULL,
    name TEXT NOT NULL,
    wrapper TEXT NOT NULL,
    cron TEXT NOT NULL,
    timezone TEXT NOT NULL,
    input JSONB NOT NULL,
    catch_up TEXT NOT NULL,
    counted_to TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    runs BIGINT NOT NULL DEFAULT 0,
    failures BIGINT NOT NULL DEFAULT 0,
    skipped BIGINT NOT NULL DEFAULT 0,
    last_due_at TIMESTAMPTZ,
    last_run_at TIMESTAMPTZ,
    last_status TEXT,
    last_message TEXT,
    tenants_schema TEXT,
    tenants_table TEXT,
    CONSTRAINT ck_tb_schedule_catch_up CHECK (catch_up IN ('none', 'one', 'all')),
    CONSTRAINT ck_tb_schedule_input CHECK (jsonb_typeof(input) = 'object')
);
COMMENT ON TABLE jobs.tb_schedule IS 'Schedules, filled by migrations alone, and what became of them.';
COMMENT ON COLUMN jobs.tb_schedule.wrapper IS 'The action: a function of schema app.';
COMMENT ON COLUMN jobs.tb_schedule.counted_to IS
    'Every time up to here was run or skipped. A schedule counts from the moment at which it is made.';
COMMENT ON COLUMN jobs.tb_schedule.skipped IS
    'Times that were missed and not caught up with, counted up to a thousand at once.';
COMMENT ON COLUMN jobs.tb_schedule.tenants_table IS
    'With tenants_schema: the table of whose rows each is a tenant for which the action is called. NULL: it is called once.';

-- object: table jobs.tb_schedule_tenant
-- drop: DROP TABLE jobs.tb_schedule_tenant
CREATE TABLE jobs.tb_schedule_tenant (
    key TEXT NOT NULL,
    tenant_id UUID NOT NULL,
    due TIMESTAMPTZ NOT NULL,
    CONSTRAINT pk_tb_schedule_tenant PRIMARY KEY (key, tenant_id, due),
    CONSTRAINT fk_tb_schedule_tenant_key FOREIGN KEY (key) REFERENCES jobs.tb_schedule (key) ON UPDATE CASCADE ON DELETE CASCADE
);
COMMENT ON TABLE jobs.tb_schedule_tenant IS
    'Tenants for which a schedule that is due for each of them is still to be run. A row goes with the run.';

-- object: function jobs.schedules()
-- drop: DROP FUNCTION jobs.schedules()
-- What a worker needs to know to find the times that are due, by the clock of the database.
CREATE OR REPLACE FUNCTION jobs.schedules()
    RETURNS TABLE (key text, cron text, timezone text, catch_up text, counted_to timestamptz, clock timestamptz)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.key, s.cron, s.timezone, s.catch_up, s.counted_to, clock_timestamp()
    FROM jobs.tb_schedule AS s
    ORDER BY s.key
$$;
COMMENT ON FUNCTION jobs.schedules() IS 'All schedules and the time.';

-- object: function jobs.log_uncalled(text, text, uuid, text, text, text)
-- drop: DROP FUNCTION jobs.log_uncalled(text, text, uuid, text, text, text)
-- Writes the audit row of an action that raised, or could not be called at all. Where the audit log is what raises, only
-- the worker is told.
CREATE OR REPLACE FUNCTION jobs.log_uncalled(_wrapper text, _entity_type text, _tenant_id uuid,
    _error_sqlstate text, _error_message text, _error_context text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- The queue can be without it.
    _schema CONSTANT text := 'app';
    _message CONSTANT text := 'the action could not be called';
BEGIN
    EXECUTE format('SELECT %I.log_mutation($1, $2, $3, NULL, ROW(NULL, NULL, $4, $5, NULL, NULL)::%I.mutation_result, $6, $7, $8)',
        _schema, _schema)
    USING _wrapper, _entity_type, _tenant_id, 'failed:unexpected_error', _message, _error_sqlstate, _error_message, _error_context;
EXCEPTION
    WHEN transaction_rollback THEN
        RAISE;
    WHEN OTHERS THEN
        PERFORM set_config('specql.unexpected_error', jsonb_build_object('sqlstate', _error_sqlstate)::text, true);
END
$$;
COMMENT ON FUNCTION jobs.log_uncalled(text, text, uuid, text, text, text) IS
    'Writes the audit row of an action that could not be called.';

-- object: function jobs.call_scheduled(jobs.tb_schedule, uuid)
-- drop: DROP FUNCTION jobs.call_scheduled(jobs.tb_schedule, uuid)
-- Calls a schedule's action, in a tenant's name where one is given, and notes how it ended. An action answers with a status whatever
-- happens, and writes its audit row. What it does not catch is written down here; serialisation failures, deadlocks and a
-- cancelled query (57014) undo everything, and the same is tried again.
CREATE OR REPLACE FUNCTION jobs.call_scheduled(_schedule jobs.tb_schedule, _tenant_id uuid) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _status text;
    _message text;
    _error_sqlstate text;
    _error_message text;
    _error_context text;
BEGIN
    BEGIN
        EXECUTE format('SELECT r.status, r.message FROM app.%I($1, NULL, $2) AS r', _schedule.wrapper)
            INTO STRICT _status, _message
            USING _tenant_id, _schedule.input;
    EXCEPTION
        WHEN transaction_rollback THEN
            RAISE;
        WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS
                _error_sqlstate = RETURNED_SQLSTATE,
                _error_message = MESSAGE_TEXT,
                _error_context = PG_EXCEPTION_CONTEXT;
            _status := 'failed:unexpected_error';
            _message := format('%s (SQLSTATE %s)', _error_message, _error_sqlstate);
    END;
    IF _error_sqlstate IS NOT NULL THEN
        PERFORM jobs.log_uncalled(
            _schedule.wrapper, _schedule.entity_type, _tenant_id, _error_sqlstate, _error_message, _error_context);
    END IF;
    UPDATE jobs.tb_schedule AS s SET
        runs = s.runs + 1,
        failures = s.failures + CASE WHEN _status = 'success' THEN 0 ELSE 1 END,
        last_run_at = clock_timestamp(),
        last_status = _status,
        last_message = _message
    WHERE s.key = _schedule.key;
    RETURN _status;
END
$$;

-- object: function jobs.run_schedule(text, text, text, timestamptz, timestamptz, integer, boolean)
-- drop: DROP FUNCTION jobs.run_schedule(text, text, text, timestamptz, timestamptz, integer, boolean)
-- Calls a schedule's action for one time, or only counts on (_call false), if nobody did so meanwhile. The row is the
-- lock: whoever moves counted_to has the run, and run and record are one transaction. Where the action is called for each
-- tenant, they are written down instead, for jobs.run_for_tenant. Answers the action's status, 'spread', 'skipped', or 'taken'
-- when another worker is at it or the schedule is no longer as it was read.
CREATE OR REPLACE FUNCTION jobs.run_schedule(_key text, _cron text, _timezone text, _counted_to timestamptz,
    _due timestamptz, _skipped integer, _call boolean) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _schedule jobs.tb_schedule;
BEGIN
    SELECT s.* INTO _schedule
    FROM jobs.tb_schedule AS s
    WHERE s.key = _key AND s.cron = _cron AND s.timezone = _timezone AND s.counted_to = _counted_to
        AND _due > s.counted_to AND _due <= clock_timestamp()
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 'taken';
    END IF;
    UPDATE jobs.tb_schedule AS s SET
        counted_to = _due,
        skipped = s.skipped + _skipped,
        last_due_at = CASE WHEN _call THEN _due ELSE s.last_due_at END
    WHERE s.key = _key;
    IF NOT _call THEN
        RETURN 'skipped';
    END IF;
    IF _schedule.tenants_table IS NULL THEN
        RETURN jobs.call_scheduled(_schedule, NULL);
    END IF;
    EXECUTE format('INSERT INTO jobs.tb_schedule_tenant (key, tenant_id, due) SELECT $1, t.id, $2 FROM %I.%I AS t WHERE t.deleted_at IS NULL',
        _schedule.tenants_schema, _schedule.tenants_table)
    USING _key, _due;
    RETURN 'spread';
END
$$;
COMMENT ON FUNCTION jobs.run_schedule(text, text, text, timestamptz, timestamptz, integer, boolean) IS
    'Runs one time of a schedule, exactly once.';

-- object: function jobs.scheduled_tenants(timestamptz, text, uuid, integer)
-- drop: DROP FUNCTION jobs.scheduled_tenants(timestamptz, text, uuid, integer)
-- The tenants for which something is still to be run, behind a place in this order: of each, one time of a schedule after another.
CREATE OR REPLACE FUNCTION jobs.scheduled_tenants(
    _after_due timestamptz DEFAULT '-infinity', _after_key text DEFAULT '',
    _after_tenant uuid DEFAULT '00000000-0000-0000-0000-000000000000', _limit integer DEFAULT 100)
    RETURNS TABLE (due timestamptz, key text, tenant_id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.due, t.key, t.tenant_id
    FROM jobs.tb_schedule_tenant AS t
    WHERE (t.due, t.key, t.tenant_id) > (_after_due, _after_key, _after_tenant)
        AND NOT EXISTS (
            SELECT FROM jobs.tb_schedule_tenant AS e
            WHERE e.key = t.key AND e.tenant_id = t.tenant_id AND e.due < t.due)
    ORDER BY t.due, t.key, t.tenant_id
    LIMIT _limit
$$;
COMMENT ON FUNCTION jobs.scheduled_tenants(timestamptz, text, uuid, integer) IS
    'The tenants for which schedules are still to be run.';

-- object: function jobs.run_for_tenant(text, uuid, timestamptz)
-- drop: DROP FUNCTION jobs.run_for_tenant(text, uuid, timestamptz)
-- Calls a schedule's action for one tenant and one time, if nobody did so meanwhile; run and record are one transaction. Answers
-- the action's status; 'skipped' where the schedule is no longer run for each tenant; 'taken' when another worker is at it, or an
-- earlier time of the tenant is still to be run.
CREATE OR REPLACE FUNCTION jobs.run_for_tenant(_key text, _tenant_id uuid, _due timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _schedule jobs.tb_schedule;
BEGIN
    PERFORM FROM jobs.tb_schedule_tenant AS t
    WHERE t.key = _key AND t.tenant_id = _tenant_id AND t.due = _due
        AND NOT EXISTS (
            SELECT FROM jobs.tb_schedule_tenant AS e
            WHERE e.key = t.key AND e.tenant_id = t.tenant_id AND e.due < t.due)
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 'taken';
    END IF;
    DELETE FROM jobs.tb_schedule_tenant AS t WHERE t.key = _key AND t.tenant_id = _tenant_id AND t.due = _due;
    SELECT s.* INTO _schedule FROM jobs.tb_schedule AS s WHERE s.key = _key;
    IF _schedule.tenants_table IS NULL THEN
        RETURN 'skipped';
    END IF;
    RETURN jobs.call_scheduled(_schedule, _tenant_id);
END
$$;
COMMENT ON FUNCTION jobs.run_for_tenant(text, uuid, timestamptz) IS
    'Runs one time of a schedule for one tenant, exactly once.';

-- object: view jobs.v_schedule
-- drop: DROP VIEW jobs.v_schedule
CREATE VIEW jobs.v_schedule WITH (security_invoker = true) AS
SELECT
    s.entity_type,
    s.name,
    s.wrapper AS action,
    s.cron,
    s.timezone,
    s.catch_up,
    s.input,
    s.runs,
    s.failures,
    s.skipped,
    s.last_due_at,
    s.last_run_at,
    s.last_status,
    s.last_message,
    s.tenants_table IS NOT NULL AS for_each_tenant,
    (SELECT count(*) FROM jobs.tb_schedule_tenant AS t WHERE t.key = s.key) AS tenants_waiting
FROM jobs.tb_schedule AS s;
COMMENT ON VIEW jobs.v_schedule IS 'Schedules and their last runs. Every run is in app.tb_mutation_audit_log too.';
