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
    position BIGINT,
    CONSTRAINT pk_tb_schedule_tenant PRIMARY KEY (key, tenant_id, due),
    CONSTRAINT fk_tb_schedule_tenant_key FOREIGN KEY (key) REFERENCES jobs.tb_schedule (key) ON UPDATE CASCADE ON DELETE CASCADE
);
COMMENT ON TABLE jobs.tb_schedule_tenant IS
    'Tenants for which a schedule that is due for each of them is still to be run. A row goes with the run.';
COMMENT ON COLUMN jobs.tb_schedule_tenant.tenant_id IS
    'All zeros: the schedule is not run for each tenant, and its action goes on in batches.';
COMMENT ON COLUMN jobs.tb_schedule_tenant.position IS
    'Of an action that works in batches: the key of the last row of those that are done.';

-- object: table jobs.tb_schedule_outcome
-- drop: DROP TABLE jobs.tb_schedule_outcome
-- A row for each tenant: were they counted in the schedule's own row, all runs would wait for each other there.
CREATE TABLE jobs.tb_schedule_outcome (
    key TEXT NOT NULL,
    tenant_id UUID NOT NULL,
    runs BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    last_run_at TIMESTAMPTZ NOT NULL,
    last_status TEXT,
    last_message TEXT,
    CONSTRAINT pk_tb_schedule_outcome PRIMARY KEY (key, tenant_id),
    CONSTRAINT fk_tb_schedule_outcome_key FOREIGN KEY (key) REFERENCES jobs.tb_schedule (key) ON UPDATE CASCADE ON DELETE CASCADE
);
COMMENT ON TABLE jobs.tb_schedule_outcome IS 'What became of a schedule that is run for each tenant.';

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

-- object: function jobs.call_scheduled(jobs.tb_schedule, uuid, bigint)
-- drop: DROP FUNCTION jobs.call_scheduled(jobs.tb_schedule, uuid, bigint)
-- Calls a schedule's action, in a tenant's name where one is given. An action answers with a status whatever happens, and writes its
-- audit row. What it does not catch is written down here; serialisation failures, deadlocks and a cancelled query (57014) undo
-- everything, and the same is tried again. A lock that another transaction keeps for longer than the caller's lock_timeout ends the
-- action as any other error does.
--
-- An action that works in batches does one of them, of rows behind _position, or the first one. `goes_on` says behind which row the
-- next batch begins; it is NULL behind the last one. Both are told by settings of the transaction, which other actions leave alone.
CREATE OR REPLACE FUNCTION jobs.call_scheduled(_schedule jobs.tb_schedule, _tenant_id uuid, _position bigint,
    OUT status text, OUT message text, OUT goes_on bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _error_sqlstate text;
    _error_message text;
    _error_context text;
BEGIN
    PERFORM set_config('specql.batch_after', coalesce(_position, (-9223372036854775808)::bigint)::text, true),
        set_config('specql.batch_end', '', true);
    BEGIN
        EXECUTE format('SELECT r.status, r.message FROM app.%I($1, NULL, $2) AS r', _schedule.wrapper)
            INTO STRICT status, message
            USING _tenant_id, _schedule.input;
    EXCEPTION
        WHEN transaction_rollback THEN
            RAISE;
        WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS
                _error_sqlstate = RETURNED_SQLSTATE,
                _error_message = MESSAGE_TEXT,
                _error_context = PG_EXCEPTION_CONTEXT;
            status := 'failed:unexpected_error';
            message := format('%s (SQLSTATE %s)', _error_message, _error_sqlstate);
    END;
    IF status = 'success' THEN
        goes_on := nullif(current_setting('specql.batch_end'), '')::bigint;
    END IF;
    PERFORM set_config('specql.batch_after', '', true), set_config('specql.batch_end', '', true);
    IF _error_sqlstate IS NOT NULL THEN
        PERFORM jobs.log_uncalled(
            _schedule.wrapper, _schedule.entity_type, _tenant_id, _error_sqlstate, _error_message, _error_context);
    ELSIF status = 'failed:unexpected_error' THEN
        -- The answer does not say which, for those who called. Here operators read it.
        _error_sqlstate := nullif(current_setting('specql.unexpected_error', true), '')::jsonb ->> 'sqlstate';
        message := CASE _error_sqlstate
            WHEN '55P03' THEN format('another transaction kept a lock for more than %s; nothing was changed (SQLSTATE 55P03)',
                current_setting('lock_timeout'))
            ELSE message || coalesce(format(' (SQLSTATE %s)', _error_sqlstate), '')
        END;
    END IF;
END
$$;

-- object: function jobs.record_run(text, text, text)
-- drop: DROP FUNCTION jobs.record_run(text, text, text)
-- Counts a run of a schedule that is not run for each tenant.
CREATE OR REPLACE FUNCTION jobs.record_run(_key text, _status text, _message text) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    UPDATE jobs.tb_schedule AS s SET
        runs = s.runs + 1,
        failures = s.failures + CASE WHEN _status = 'success' THEN 0 ELSE 1 END,
        last_run_at = clock_timestamp(),
        last_status = _status,
        last_message = _message
    WHERE s.key = _key
$$;

-- object: function jobs.run_schedule(text, text, text, timestamptz, timestamptz, integer, boolean)
-- drop: DROP FUNCTION jobs.run_schedule(text, text, text, timestamptz, timestamptz, integer, boolean)
-- Calls a schedule's action for one time, or only counts on (_call false), if nobody did so meanwhile. The row is the
-- lock: whoever moves counted_to has the run, and run and record are one transaction. Where the action is called for each
-- tenant, they are written down instead, for jobs.run_for_tenant. A tenant for which a call runs and another waits gets no third
-- one, unless all times are caught up with. The same holds for a schedule that goes on in batches. Answers the action's status, 'more'
-- where batches are left, 'spread', 'skipped', or 'taken' when another worker is at it or the schedule is no longer as it was read. No
-- lock is waited for longer than lock_timeout says.
CREATE OR REPLACE FUNCTION jobs.run_schedule(_key text, _cron text, _timezone text, _counted_to timestamptz,
    _due timestamptz, _skipped integer, _call boolean) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS $$
DECLARE
    _schedule jobs.tb_schedule;
    _status text;
    _message text;
    _goes_on bigint;
    _waiting bigint;
    _nobody CONSTANT uuid := '00000000-0000-0000-0000-000000000000'::uuid;
BEGIN
    SELECT s.* INTO _schedule
    FROM jobs.tb_schedule AS s
    WHERE s.key = _key AND s.cron = _cron AND s.timezone = _timezone AND s.counted_to = _counted_to
        AND _due > s.counted_to AND _due <= clock_timestamp()
    -- Runs for tenants refer to the key meanwhile.
    FOR NO KEY UPDATE SKIP LOCKED;
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
    IF _schedule.tenants_table IS NOT NULL THEN
        EXECUTE format('INSERT INTO jobs.tb_schedule_tenant (key, tenant_id, due) SELECT $1, t.id, $2 FROM %I.%I AS t WHERE t.deleted_at IS NULL AND ($3 OR 2 > (SELECT count(*) FROM jobs.tb_schedule_tenant AS w WHERE w.key = $1 AND w.tenant_id = t.id))',
            _schedule.tenants_schema, _schedule.tenants_table)
        USING _key, _due, _schedule.catch_up = 'all';
        RETURN 'spread';
    END IF;
    -- Batches of an earlier time are left: this one comes behind them.
    _waiting := (SELECT count(*) FROM jobs.tb_schedule_tenant AS w WHERE w.key = _key AND w.tenant_id = _nobody);
    IF _waiting > 0 THEN
        IF _waiting < 2 OR _schedule.catch_up = 'all' THEN
            INSERT INTO jobs.tb_schedule_tenant (key, tenant_id, due) VALUES (_key, _nobody, _due);
        END IF;
        RETURN 'spread';
    END IF;
    SELECT c.status, c.message, c.goes_on INTO _status, _message, _goes_on FROM jobs.call_scheduled(_schedule, NULL, NULL) AS c;
    IF _goes_on IS NOT NULL THEN
        INSERT INTO jobs.tb_schedule_tenant (key, tenant_id, due, position) VALUES (_key, _nobody, _due, _goes_on);
        RETURN 'more';
    END IF;
    PERFORM jobs.record_run(_key, _status, _message);
    RETURN _status;
END
$$;
COMMENT ON FUNCTION jobs.run_schedule(text, text, text, timestamptz, timestamptz, integer, boolean) IS
    'Runs one time of a schedule, exactly once.';

-- object: function jobs.schedules_for_tenants()
-- drop: DROP FUNCTION jobs.schedules_for_tenants()
-- The schedules that are still to be run for some tenants. Their number counts, and not that of the tenants.
CREATE OR REPLACE FUNCTION jobs.schedules_for_tenants() RETURNS SETOF text
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.key
    FROM jobs.tb_schedule AS s
    WHERE EXISTS (SELECT FROM jobs.tb_schedule_tenant AS t WHERE t.key = s.key)
    ORDER BY s.key
$$;
COMMENT ON FUNCTION jobs.schedules_for_tenants() IS 'The schedules that are still to be run for some tenants.';

-- object: function jobs.scheduled_tenants(text, uuid, integer)
-- drop: DROP FUNCTION jobs.scheduled_tenants(text, uuid, integer)
-- The tenants, behind one of them, for which a schedule is still to be run: of each its earliest time.
CREATE OR REPLACE FUNCTION jobs.scheduled_tenants(_key text, _after_tenant uuid DEFAULT NULL, _limit integer DEFAULT 100)
    RETURNS TABLE (tenant_id uuid, due timestamptz)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT ON (t.tenant_id) t.tenant_id, t.due
    FROM jobs.tb_schedule_tenant AS t
    WHERE t.key = _key AND (_after_tenant IS NULL OR t.tenant_id > _after_tenant)
    ORDER BY t.tenant_id, t.due
    LIMIT _limit
$$;
COMMENT ON FUNCTION jobs.scheduled_tenants(text, uuid, integer) IS 'The tenants for which a schedule is still to be run.';

-- object: function jobs.run_for_tenant(uuid, text, uuid, timestamptz)
-- drop: DROP FUNCTION jobs.run_for_tenant(uuid, text, uuid, timestamptz)
-- Calls a schedule's action for one tenant and one time, if nobody did so meanwhile; run and record are one transaction. Who calls
-- under a name runs one at a time, also where the connection is lost over which another still runs. No lock is waited for longer than
-- lock_timeout says. Answers the action's status; 'more' where batches of it are left; 'skipped' where the tenant is gone, or the
-- schedule is no longer run for each; 'taken' when another is at it, or an earlier time of the tenant is still to be run; 'busy' when this
-- one is.
CREATE OR REPLACE FUNCTION jobs.run_for_tenant(_worker uuid, _key text, _tenant_id uuid, _due timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS $$
DECLARE
    _schedule jobs.tb_schedule;
    _is_tenant CONSTANT boolean := _tenant_id <> '00000000-0000-0000-0000-000000000000';
    _lives boolean := false;
    _position bigint;
    _status text;
    _message text;
    _goes_on bigint;
BEGIN
    -- 'SpQT'
    IF NOT pg_try_advisory_xact_lock(1399869780, hashtext(_worker::text)) THEN
        RETURN 'busy';
    END IF;
    SELECT t.position INTO _position
    FROM jobs.tb_schedule_tenant AS t
    WHERE t.key = _key AND t.tenant_id = _tenant_id AND t.due = _due
        AND NOT EXISTS (
            SELECT FROM jobs.tb_schedule_tenant AS e
            WHERE e.key = t.key AND e.tenant_id = t.tenant_id AND e.due < t.due)
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 'taken';
    END IF;
    SELECT s.* INTO _schedule FROM jobs.tb_schedule AS s WHERE s.key = _key;
    IF NOT _is_tenant THEN
        _lives := _schedule.tenants_table IS NULL;
    ELSIF _schedule.tenants_table IS NOT NULL THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %I.%I AS t WHERE t.id = $1 AND t.deleted_at IS NULL)',
            _schedule.tenants_schema, _schedule.tenants_table)
        INTO _lives USING _tenant_id;
    END IF;
    IF _lives THEN
        SELECT c.status, c.message, c.goes_on INTO _status, _message, _goes_on
        FROM jobs.call_scheduled(_schedule, CASE WHEN _is_tenant THEN _tenant_id END, _position) AS c;
    END IF;
    IF _goes_on IS NOT NULL THEN
        UPDATE jobs.tb_schedule_tenant AS t SET position = _goes_on
        WHERE t.key = _key AND t.tenant_id = _tenant_id AND t.due = _due;
        RETURN 'more';
    END IF;
    DELETE FROM jobs.tb_schedule_tenant AS t WHERE t.key = _key AND t.tenant_id = _tenant_id AND t.due = _due;
    IF NOT _lives THEN
        RETURN 'skipped';
    END IF;
    IF NOT _is_tenant THEN
        PERFORM jobs.record_run(_key, _status, _message);
        RETURN _status;
    END IF;
    INSERT INTO jobs.tb_schedule_outcome AS o (key, tenant_id, runs, failures, last_run_at, last_status, last_message)
    VALUES (_key, _tenant_id, 1, CASE WHEN _status = 'success' THEN 0 ELSE 1 END, clock_timestamp(), _status, _message)
    ON CONFLICT (key, tenant_id) DO UPDATE SET
        runs = o.runs + excluded.runs,
        failures = o.failures + excluded.failures,
        last_run_at = excluded.last_run_at,
        last_status = excluded.last_status,
        last_message = excluded.last_message;
    RETURN _status;
END
$$;
COMMENT ON FUNCTION jobs.run_for_tenant(uuid, text, uuid, timestamptz) IS
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
    (s.runs + coalesce(o.runs, 0))::bigint AS runs,
    (s.failures + coalesce(o.failures, 0))::bigint AS failures,
    s.skipped,
    s.last_due_at,
    greatest(s.last_run_at, l.last_run_at) AS last_run_at,
    CASE WHEN l.last_run_at > s.last_run_at OR s.last_run_at IS NULL THEN l.last_status ELSE s.last_status END AS last_status,
    CASE WHEN l.last_run_at > s.last_run_at OR s.last_run_at IS NULL THEN l.last_message ELSE s.last_message END AS last_message,
    s.tenants_table IS NOT NULL AS for_each_tenant,
    (SELECT count(DISTINCT t.tenant_id) FROM jobs.tb_schedule_tenant AS t
        WHERE t.key = s.key AND t.tenant_id <> '00000000-0000-0000-0000-000000000000') AS tenants_waiting
FROM jobs.tb_schedule AS s
LEFT JOIN LATERAL (
    SELECT sum(o.runs) AS runs, sum(o.failures) AS failures FROM jobs.tb_schedule_outcome AS o WHERE o.key = s.key) AS o ON true
LEFT JOIN LATERAL (
    SELECT o.last_run_at, o.last_status, o.last_message FROM jobs.tb_schedule_outcome AS o
    WHERE o.key = s.key ORDER BY o.last_run_at DESC LIMIT 1) AS l ON true;
COMMENT ON VIEW jobs.v_schedule IS 'Schedules and their last runs. Every run is in app.tb_mutation_audit_log too.';
