-- object: function jobs.cancel_waiting(bigint)
-- drop: DROP FUNCTION jobs.cancel_waiting(bigint)
-- Ends a job that no worker has. Its key is given back unless an earlier attempt may have had its effect.
CREATE OR REPLACE FUNCTION jobs.cancel_waiting(_pk bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _job record;
BEGIN
    -- Where it waits for another of its key, its place in that order is given to the next one. Two who change the same order
    -- at the same time would not see what the other one did, so they pass one after the other.
    PERFORM FROM jobs.tb_job_key AS k
    WHERE k.key IN (
        SELECT jobs.job_key(j.tenant_id, o.service_name, o.operation, coalesce(j.idempotency_key, j.identifier))
        FROM jobs.tb_job_scheduled AS s
        JOIN jobs.tb_job_run AS j ON j.pk_job_run = _pk
        JOIN jobs.tb_operation AS o ON o.code = s.operation_code
        WHERE s.pk_job_run = _pk AND s.after_pk IS NOT NULL)
    FOR UPDATE;
    DELETE FROM jobs.tb_job_ready AS r USING jobs.tb_job_run AS j
    WHERE j.pk_job_run = _pk AND r.lane = ANY (jobs.lanes_of(j.operation_code, j.tenant_id))
        AND r.rank = -j.priority AND r.pk_job_run = _pk
    RETURNING r.epoch, r.attempts, r.keyed, r.effect_possible, r.bound_code, NULL::bigint AS after_pk INTO _job;
    IF NOT FOUND THEN
        DELETE FROM jobs.tb_job_scheduled AS s WHERE s.pk_job_run = _pk
        RETURNING s.epoch, s.attempts, s.keyed, s.effect_possible, s.bound_code, s.after_pk INTO _job;
    END IF;
    IF NOT FOUND THEN
        RETURN false;
    END IF;

    INSERT INTO jobs.tb_job_outcome (
        pk_job_run, epoch, status, attempts, failure_class, error_message, effect_possible, bound_code, completed_at)
    VALUES (_pk, coalesce(_job.epoch, 0), 'cancelled', coalesce(_job.attempts, 0), 'cancelled', 'cancelled while it waited',
        coalesce(_job.effect_possible, false),
        _job.bound_code, clock_timestamp());
    INSERT INTO jobs.tb_job_attempt (pk_job_run, epoch, attempt, event, at, failure_class)
    VALUES (_pk, coalesce(_job.epoch, 0), coalesce(_job.attempts, 0), 'cancelled', clock_timestamp(), 'cancelled');
    IF _job.after_pk IS NOT NULL THEN
        -- Key and followers go back to the job for which it waited.
        UPDATE jobs.tb_job_key AS k
        SET pk_job_run = _job.after_pk,
            rule = (SELECT j.unique_rule FROM jobs.tb_job_run AS j WHERE j.pk_job_run = _job.after_pk)
        WHERE k.pk_job_run = _pk;
        UPDATE jobs.tb_job_scheduled AS s SET after_pk = _job.after_pk WHERE s.after_pk = _pk;
    ELSIF _job.keyed AND _job.effect_possible IS NOT TRUE THEN
        DELETE FROM jobs.tb_job_key AS k WHERE k.ctid = ANY (ARRAY(
            SELECT held.ctid FROM jobs.tb_job_key AS held WHERE held.pk_job_run = _pk FOR UPDATE SKIP LOCKED));
    END IF;
    PERFORM jobs.announce(ARRAY[_pk]);
    RETURN true;
END
$$;

-- object: function jobs.own_job(uuid)
-- drop: DROP FUNCTION jobs.own_job(uuid)
-- The job of that id, as far as its asker may know of it: who acts for a tenant knows that tenant's jobs alone.
CREATE OR REPLACE FUNCTION jobs.own_job(_id uuid) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan SET jit = off AS $$
DECLARE
    _pk bigint := jobs.pk_of(_id);
    _tenant uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
BEGIN
    IF _tenant IS NULL OR EXISTS (SELECT FROM jobs.tb_job_run AS j WHERE j.pk_job_run = _pk AND j.tenant_id = _tenant) THEN
        RETURN _pk;
    END IF;
    RETURN NULL;
END
$$;

-- object: function jobs.cancel(uuid)
-- drop: DROP FUNCTION jobs.cancel(uuid)
-- Cancels a job: at once while it waits, by a request to its worker while it runs, not at all once its call is over.
-- A cancelled job does not run on_failure: whoever cancels knows.
CREATE OR REPLACE FUNCTION jobs.cancel(_id uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _pk bigint := jobs.own_job(_id);
BEGIN
    IF _pk IS NULL THEN
        RETURN 'unknown';
    END IF;

    -- The job may move from one table to the next between two of these looks; it is then found in the next round.
    FOR _round IN 1..10 LOOP
        IF jobs.cancel_waiting(_pk) THEN
            RETURN 'cancelled';
        END IF;
        UPDATE jobs.tb_job_lease AS l SET cancel_requested = true WHERE l.pk_job_run = _pk;
        IF FOUND THEN
            PERFORM pg_notify('jobs_cancel', _id::text);
            RETURN 'cancelling';
        END IF;
        IF EXISTS (SELECT FROM jobs.tb_job_callback AS c WHERE c.pk_job_run = _pk)
            OR EXISTS (SELECT FROM jobs.tb_job_outcome AS o WHERE o.pk_job_run = _pk)
        THEN
            RETURN 'finished';
        END IF;
    END LOOP;
    RETURN 'unknown';
END
$$;
COMMENT ON FUNCTION jobs.cancel(uuid) IS 'Cancels a job; returns cancelled, cancelling, finished or unknown.';

-- object: function jobs.retry(uuid)
-- drop: DROP FUNCTION jobs.retry(uuid)
-- Queues a failed or cancelled job again: the same job, with the same Idempotency-Key, and with all its attempts. One
-- whose callback failed repeats the callback alone, for its call did happen.
CREATE OR REPLACE FUNCTION jobs.retry(_id uuid) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _pk bigint := jobs.own_job(_id);
    _job record;
    _ended record;
    _key bytea;
    _holder bigint;
    _effect_possible boolean;
BEGIN
    SELECT j.pk_job_run, j.tenant_id, o.service_name, o.operation, j.priority, coalesce(j.unique_rule, 'never') AS unique_rule, o.code,
        jobs.lane(o.own_lane, o.code, jobs.tenant_lane(j.tenant_id)) AS lane,
        coalesce(j.idempotency_key, j.identifier) AS name,
        j.on_success IS NOT NULL AS has_on_success, j.on_failure IS NOT NULL AS has_on_failure
    INTO _job
    FROM jobs.tb_job_run AS j
    JOIN jobs.tb_operation AS o ON o.code = j.operation_code
    WHERE j.pk_job_run = _pk;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no job %', _id USING ERRCODE = 'SQ404';
    END IF;

    DELETE FROM jobs.tb_job_outcome AS o WHERE o.pk_job_run = _job.pk_job_run AND o.status <> 'completed'
    RETURNING o.epoch, o.attempts, o.effect_possible, coalesce(o.bound_code, 0) AS bound_code INTO _ended;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'job % has not failed: only a failed or cancelled job can be retried', _id USING ERRCODE = 'SQ409';
    END IF;

    INSERT INTO jobs.tb_job_attempt (pk_job_run, epoch, attempt, event, at)
    VALUES (_job.pk_job_run, _ended.epoch, _ended.attempts, 'retried', clock_timestamp());

    UPDATE jobs.tb_job_callback AS c SET tries = 0, run_at = clock_timestamp() WHERE c.pk_job_run = _job.pk_job_run;
    IF FOUND THEN
        PERFORM jobs.wake_workers();
        RETURN _id;
    END IF;

    _effect_possible := _ended.effect_possible;
    IF _job.unique_rule <> 'never' THEN
        _key := jobs.job_key(_job.tenant_id, _job.service_name, _job.operation, _job.name);
        -- A newer call of the key, with another input, waits here, and then finds that this job is not over.
        PERFORM FROM jobs.tb_job_key AS k WHERE k.key = _key FOR UPDATE;
        -- Where that is not on record, a key that was kept says that the call may have happened: no later failure can prove
        -- the opposite.
        _effect_possible := coalesce(_effect_possible, EXISTS (
            SELECT FROM jobs.tb_job_key AS k WHERE k.key = _key AND k.pk_job_run = _job.pk_job_run));
        _holder := jobs.take_key(_key, _job.pk_job_run, _job.unique_rule);
        IF _holder <> _job.pk_job_run THEN
            RAISE EXCEPTION 'job % cannot be retried: job % has taken its key since', _id,
                (SELECT j.id FROM jobs.tb_job_run AS j WHERE j.pk_job_run = _holder)
                USING ERRCODE = 'SQ409';
        END IF;
    END IF;

    INSERT INTO jobs.tb_job_ready (
        lane, rank, pk_job_run, operation_code, epoch, bound_code, keyed, has_on_success, has_on_failure, effect_possible)
    VALUES (_job.lane, -_job.priority, _job.pk_job_run, _job.code, _ended.epoch, _ended.bound_code, _job.unique_rule <> 'never',
        _job.has_on_success, _job.has_on_failure, coalesce(_effect_possible, false));
    PERFORM jobs.wake_workers();
    RETURN _id;
END
$$;
COMMENT ON FUNCTION jobs.retry(uuid) IS
    'Queues a failed or cancelled job again; raises with the other job''s id when its key is taken.';
