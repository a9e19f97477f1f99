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
    CONSTRAINT ck_tb_schedule_catch_up CHECK (catch_up IN ('none', 'one', 'all')),
    CONSTRAINT ck_tb_schedule_input CHECK (jsonb_typeof(input) = 'object')
);
COMMENT ON TABLE jobs.tb_schedule IS 'Schedules, filled by migrations alone, and what became of them.';
COMMENT ON COLUMN jobs.tb_schedule.wrapper IS 'The action: a function of schema app.';
COMMENT ON COLUMN jobs.tb_schedule.counted_to IS
    'Every time up to here was run or skipped. A schedule counts from the moment at which it is made.';
COMMENT ON COLUMN jobs.tb_schedule.skipped IS
    'Times that were missed and not caught up with, counted up to a thousand at once.';

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

-- object: function jobs.log_uncalled(text, text, text, text, text)
-- drop: DROP FUNCTION jobs.log_uncalled(text, text, text, text, text)
-- Writes the audit row of an action that raised, or could not be called at all. Where the audit log is what raises, only
-- the worker is told.
CREATE OR REPLACE FUNCTION jobs.log_uncalled(
    _wrapper text, _entity_type text, _error_sqlstate text, _error_message text, _error_context text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- The queue can be without it.
    _schema CONSTANT text := 'app';
    _message CONSTANT text := 'the action could not be called';
BEGIN
    EXECUTE format('SELECT %I.log_mutation($1, $2, NULL, NULL, ROW(NULL, NULL, $3, $4, NULL, NULL)::%I.mutation_result, $5, $6, $7)',
        _schema, _schema)
    USING _wrapper, _entity_type, 'failed:unexpected_error', _message, _error_sqlstate, _error_message, _error_context;
EXCEPTION
    WHEN transaction_rollback THEN
        RAISE;
    WHEN OTHERS THEN
        PERFORM set_config('specql.unexpected_error', jsonb_build_object('sqlstate', _error_sqlstate)::text, true);
END
$$;
COMMENT ON FUNCTION jobs.log_uncalled(text, text, text, text, text) IS 'Writes the audit row of an action that could not be called.';

-- object: function jobs.run_schedule(text, text, text, timestamptz, timestamptz, integer, boolean)
-- drop: DROP FUNCTION jobs.run_schedule(text, text, text, timestamptz, timestamptz, integer, boolean)
-- Calls a schedule's action for one time, or only counts on (_call false), if nobody did so meanwhile. The row is the
-- lock: whoever moves counted_to has the run, and run and record are one transaction. Answers the action's status,
-- 'skipped', or 'taken' when another worker is at it or the schedule is no longer as it was read.
CREATE OR REPLACE FUNCTION jobs.run_schedule(_key text, _cron text, _timezone text, _counted_to timestamptz,
    _due timestamptz, _skipped integer, _call boolean) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _schedule jobs.tb_schedule;
    _status text;
    _message text;
    _error_sqlstate text;
    _error_message text;
    _error_context text;
BEGIN
    SELECT s.* INTO _schedule
    FROM jobs.tb_schedule AS s
    WHERE s.key = _key AND s.cron = _cron AND s.timezone = _timezone AND s.counted_to = _counted_to
        AND _due > s.counted_to AND _due <= clock_timestamp()
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 'taken';
    END IF;
    IF NOT _call THEN
        UPDATE jobs.tb_schedule AS s SET counted_to = _due, skipped = s.skipped + _skipped WHERE s.key = _key;
        RETURN 'skipped';
    END IF;

    -- An action answers with a status whatever happens, and writes its audit row. This is for what it does not catch;
    -- serialisation failures, deadlocks and a cancelled query (57014) undo everything, and the same time is tried again.
    BEGIN
        EXECUTE format('SELECT r.status, r.message FROM app.%I(NULL, NULL, $1) AS r', _schedule.wrapper)
            INTO STRICT _status, _message
            USING _schedule.input;
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
        PERFORM jobs.log_uncalled(_schedule.wrapper, _schedule.entity_type, _error_sqlstate, _error_message, _error_context);
    END IF;
    UPDATE jobs.tb_schedule AS s SET
        counted_to = _due,
        runs = s.runs + 1,
        failures = s.failures + CASE WHEN _status = 'success' THEN 0 ELSE 1 END,
        skipped = s.skipped + _skipped,
        last_due_at = _due,
        last_run_at = clock_timestamp(),
        last_status = _status,
        last_message = _message
    WHERE s.key = _key;
    RETURN _status;
END
$$;
COMMENT ON FUNCTION jobs.run_schedule(text, text, text, timestamptz, timestamptz, integer, boolean) IS
    'Runs one time of a schedule, exactly once.';

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
    s.last_message
FROM jobs.tb_schedule AS s;
COMMENT ON VIEW jobs.v_schedule IS 'Schedules and their last runs. Every run is in app.tb_mutation_audit_log too.';
