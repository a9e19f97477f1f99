-- object: function jobs.status(bigint)
-- drop: DROP FUNCTION jobs.status(bigint)
-- Planned for this very job, which is in one range of many.
CREATE OR REPLACE FUNCTION jobs.status(_pk bigint) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan SET jit = off AS $$
BEGIN
    RETURN coalesce(
        (SELECT o.status FROM jobs.tb_job_outcome AS o WHERE o.pk_job_run = _pk),
        (SELECT 'running' FROM jobs.tb_job_lease AS l WHERE l.pk_job_run = _pk),
        (SELECT 'running' FROM jobs.tb_job_callback AS c WHERE c.pk_job_run = _pk),
        'pending');
END
$$;

-- object: function jobs.standing(uuid)
-- drop: DROP FUNCTION jobs.standing(uuid)
-- Where a job stands, and what came of it; no row where there is no such job. The same as jobs.v_job_run says, for
-- programs that ask often: it looks in one range.
CREATE OR REPLACE FUNCTION jobs.standing(_id uuid)
RETURNS TABLE (status text, output_data jsonb, error_message text, failure_class text, attempts integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan SET jit = off AS $$
DECLARE
    _pk bigint := jobs.own_job(_id);
BEGIN
    IF _pk IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT o.status, o.output_data, o.error_message, o.failure_class, o.attempts
    FROM jobs.tb_job_outcome AS o WHERE o.pk_job_run = _pk;
    IF FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT 'running', NULL::jsonb, c.last_error, NULL::text, c.attempts
    FROM jobs.tb_job_callback AS c WHERE c.pk_job_run = _pk;
    IF FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT 'running', NULL::jsonb, NULL::text, NULL::text, l.attempt
    FROM jobs.tb_job_lease AS l WHERE l.pk_job_run = _pk;
    IF FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT 'pending', NULL::jsonb, NULL::text, NULL::text, coalesce(
        (SELECT s.attempts FROM jobs.tb_job_scheduled AS s WHERE s.pk_job_run = _pk),
        (SELECT r.attempts
        FROM jobs.tb_job_run AS j
        JOIN jobs.tb_job_ready AS r ON r.lane = ANY (jobs.lanes_of(j.operation_code, j.tenant_id))
            AND r.rank = -j.priority AND r.pk_job_run = j.pk_job_run
        WHERE j.pk_job_run = _pk),
        0);
END
$$;
COMMENT ON FUNCTION jobs.standing(uuid) IS
    'Where a job stands, and its output or its error: what jobs.v_job_run says of it, fast beside any number of jobs.';

-- object: function jobs.watch(uuid)
-- drop: DROP FUNCTION jobs.watch(uuid)
-- A job's status now; NULL where there is no such job. Unless it is done, its end is announced on the channel
-- jobs_done, if it comes within a minute. A job that ends at this very moment may not announce it: look again now and
-- then.
CREATE OR REPLACE FUNCTION jobs.watch(_id uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _pk bigint := jobs.own_job(_id);
    _status text;
BEGIN
    IF _pk IS NULL THEN
        RETURN NULL;
    END IF;
    _status := jobs.status(_pk);
    IF _status IN ('pending', 'running') THEN
        INSERT INTO jobs.tb_job_waiter AS w (pk_job_run, expires_at)
        VALUES (_pk, clock_timestamp() + interval '1 minute')
        ON CONFLICT (pk_job_run) DO UPDATE SET expires_at = excluded.expires_at;
    END IF;
    RETURN _status;
END
$$;

-- object: function jobs.is_own(uuid)
-- drop: DROP FUNCTION jobs.is_own(uuid)
-- Whether the current transaction itself made the job. It can see the row, so if the row's transaction is still in
-- progress, that one is its own, or a subtransaction of its own.
CREATE OR REPLACE FUNCTION jobs.is_own(_id uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan SET jit = off AS $$
DECLARE
    _pk bigint := jobs.pk_of(_id);
    _made bigint;
    _next bigint := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
BEGIN
    SELECT j.xmin::text::bigint INTO _made FROM jobs.tb_job_run AS j WHERE j.pk_job_run = _pk;
    -- xmin lacks the upper half of the transaction id; the row is never half the id space away from now.
    _made := _made + (_next & ~4294967295);
    IF _made > _next + 2147483648 THEN
        _made := _made - 4294967296;
    END IF;
    RETURN coalesce(pg_xact_status(greatest(_made, 3)::text::xid8) = 'in progress', false);
END
$$;

-- object: function jobs.wait(uuid, interval)
-- drop: DROP FUNCTION jobs.wait(uuid, interval)
-- Waits until a job is done, thirty seconds at most, and returns its status. For clients that cannot listen.
CREATE OR REPLACE FUNCTION jobs.wait(_id uuid, _timeout interval DEFAULT '30 seconds') RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _until timestamptz := clock_timestamp() + least(_timeout, interval '30 seconds');
    _pause double precision := 0.005::double precision;
    _pk bigint;
    _status text;
BEGIN
    IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
        RAISE EXCEPTION 'jobs.wait sees no progress under %', upper(current_setting('transaction_isolation'))
            USING ERRCODE = 'SQ409', HINT = 'Wait outside this transaction, or under READ COMMITTED.';
    END IF;
    _pk := jobs.own_job(_id);
    IF _pk IS NULL THEN
        RAISE EXCEPTION 'there is no job %', _id USING ERRCODE = 'SQ404';
    END IF;
    IF jobs.is_own(_id) THEN
        RAISE EXCEPTION 'job % belongs to this transaction, and no worker sees it before the commit', _id
            USING ERRCODE = 'SQ409', HINT = 'Commit first, then wait.';
    END IF;

    LOOP
        _status := jobs.status(_pk);
        EXIT WHEN _status NOT IN ('pending', 'running') OR clock_timestamp() >= _until;
        PERFORM pg_sleep(_pause);
        _pause := least(_pause * 1.5, 0.25);
    END LOOP;
    RETURN _status;
END
$$;
COMMENT ON FUNCTION jobs.wait(uuid, interval) IS 'Waits at most 30 seconds for a job to be done, and returns its status.';
