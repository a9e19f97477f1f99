-- object: type jobs.lease_end
-- drop: DROP TYPE jobs.lease_end
-- How a lease ends without success.
CREATE TYPE jobs.lease_end AS (
    pk bigint, result text, class text, message text, attempts integer, crashes integer, effect_possible boolean,
    run_at timestamptz, usage jsonb);

-- object: function jobs.end_leases(jobs.lease_end[], text)
-- drop: DROP FUNCTION jobs.end_leases(jobs.lease_end[], text)
-- Ends leases, which the caller has locked, without success: each job is retried, cancelled or failed. What rescue and
-- jobs.fail have in common. Returns the jobs whose callback had to be set aside.
CREATE OR REPLACE FUNCTION jobs.end_leases(_ends jobs.lease_end[], _event text) RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    _now timestamptz := clock_timestamp();
    _pks bigint[] := ARRAY(SELECT e.pk FROM unnest(_ends) AS e);
    _ended bigint[];
    _called bigint[];
BEGIN
    WITH given AS (
        SELECT e.pk, e.result, e.class, left(e.message, 8000) AS message, e.attempts, e.crashes, e.effect_possible,
            e.run_at, e.usage
        FROM unnest(_ends) AS e),
    freed AS (
        DELETE FROM jobs.tb_job_lease AS l USING given AS g WHERE l.pk_job_run = ANY (_pks) AND l.pk_job_run = g.pk
        RETURNING l.pk_job_run, coalesce(l.tenant_lane, 0) AS tenant_lane, coalesce(l.rank, 0) AS rank, l.operation_code, l.epoch,
            l.attempt, l.worker_code, l.claimed_at, l.keyed,
            l.has_on_success, l.has_on_failure, coalesce(l.first_tried_at, l.claimed_at) AS first_tried_at,
            -- An attempt that counts ends the row of those that did not.
            CASE WHEN g.attempts < l.attempt THEN coalesce(l.put_off, 0) + 1 END AS put_off,
            -- What proved to have had no effect binds nobody.
            CASE WHEN g.effect_possible THEN coalesce(abs(l.bound_code), 0) ELSE 0 END AS bound_code, g.result, g.class, g.message, g.attempts, g.crashes,
            g.effect_possible, g.run_at, g.usage, g.result = 'failed' AND coalesce(l.has_on_failure, false) AS calls_back),
    audited AS (
        INSERT INTO jobs.tb_job_attempt (
            pk_job_run, epoch, attempt, event, at, claimed_at, counted, worker, failure_class, message,
            resource_usage)
        SELECT f.pk_job_run, f.epoch, f.attempts, CASE WHEN f.class = 'policy_denied' THEN 'refused' ELSE _event END,
            _now, f.claimed_at, f.attempts = f.attempt,
            (SELECT w.id FROM jobs.tb_worker_code AS w WHERE w.code = f.worker_code), f.class, f.message, f.usage
        FROM freed AS f),
    rescheduled AS (
        INSERT INTO jobs.tb_job_scheduled (run_at, pk_job_run, tenant_lane, rank, operation_code, epoch, attempts, crashes,
            bound_code, keyed, has_on_success, has_on_failure, effect_possible, put_off, first_tried_at)
        SELECT f.run_at, f.pk_job_run, f.tenant_lane, f.rank, f.operation_code, f.epoch, f.attempts, f.crashes,
            f.bound_code, f.keyed, f.has_on_success, f.has_on_failure, f.effect_possible, f.put_off, f.first_tried_at
        FROM freed AS f
        WHERE f.result = 'retrying'),
    called AS (
        INSERT INTO jobs.tb_job_callback (pk_job_run, kind, result, epoch, attempts, keyed, effect_possible, bound_code,
            failure_class, error_message, resource_usage, started_at, run_at)
        SELECT f.pk_job_run, 'failure',
            jsonb_build_object('message', f.message, 'kind', f.class, 'attempts', f.attempts),
            f.epoch, f.attempts, coalesce(f.keyed, false), f.effect_possible, f.bound_code, f.class, f.message, f.usage, f.claimed_at, _now
        FROM freed AS f
        WHERE f.calls_back),
    recorded AS (
        INSERT INTO jobs.tb_job_outcome (pk_job_run, epoch, status, attempts, failure_class, error_message,
            resource_usage, effect_possible, bound_code, started_at, completed_at)
        SELECT f.pk_job_run, f.epoch, f.result, f.attempts, f.class, f.message, f.usage, f.effect_possible, f.bound_code,
            f.claimed_at, _now
        FROM freed AS f
        WHERE f.result <> 'retrying' AND NOT f.calls_back),
    released AS (
        DELETE FROM jobs.tb_job_key AS k
        WHERE k.ctid = ANY (ARRAY(
            SELECT held.ctid FROM jobs.tb_job_key AS held WHERE held.pk_job_run = ANY (ARRAY(
            SELECT f.pk_job_run
            FROM freed AS f
            WHERE f.keyed AND f.result <> 'retrying' AND NOT f.calls_back AND NOT f.effect_possible))
            FOR UPDATE SKIP LOCKED)))
    SELECT array_agg(f.pk_job_run) FILTER (WHERE f.result <> 'retrying' AND NOT f.calls_back),
        array_agg(f.pk_job_run ORDER BY f.pk_job_run) FILTER (WHERE f.calls_back)
    INTO _ended, _called
    FROM freed AS f;

    IF _ended IS NOT NULL THEN
        PERFORM jobs.announce(_ended);
    END IF;
    IF _called IS NOT NULL THEN
        RETURN jobs.settle_callbacks(_called);
    END IF;
    RETURN '{}'::bigint[];
END
$$;

-- object: function jobs.judge_failures(uuid, bigint[], bigint[], integer[], text[], text[], bigint[], boolean[], jsonb[], boolean[])
-- drop: DROP FUNCTION jobs.judge_failures(uuid, bigint[], bigint[], integer[], text[], text[], bigint[], boolean[], jsonb[], boolean[])
-- What follows a call that did not succeed, for those of the given jobs whose leases are held (and locked). Apart from
-- jobs.fail so that the planner settings do not reach the users' callbacks; planned as jobs.complete_plain.
CREATE OR REPLACE FUNCTION jobs.judge_failures(
    _worker uuid, _held bigint[], _pks bigint[], _epochs integer[], _classes text[], _messages text[],
    _retry_in_ms bigint[], _counted boolean[], _usages jsonb[], _no_effect boolean[]) RETURNS jobs.lease_end[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_nestloop = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    _now timestamptz := clock_timestamp();
    _worker_code integer := jobs.code_of(_worker);
    _ends jobs.lease_end[];
    _unknown_outcomes CONSTANT text[] := '{ambiguous,effect_result_lost,timeout,killed_external}'::text[];
BEGIN
    WITH held AS (
        SELECT l.pk_job_run AS pk, g.class, g.message, g.usage, l.attempt - (NOT g.counted)::integer AS attempts, coalesce(l.crashes, 0) AS crashes,
            -- A stopping worker gives a call back that it abandoned: ambiguous, though no attempt is used up.
            coalesce(l.effect_possible, false) OR g.class = ANY (_unknown_outcomes)
                OR NOT coalesce(g.no_effect, NOT g.counted OR jobs.proves_no_effect(g.class)) AS effect_possible,
            _now + make_interval(secs => g.retry_in_ms / 1000.0) AS run_at,
            -- What is handed over at once was not put off.
            NOT g.counted AND g.retry_in_ms > 0
                AND _now + make_interval(secs => g.retry_in_ms / 1000.0) > patience.ends_at AS too_late,
            patience.lasts,
            CASE
                WHEN g.class = 'cancelled' THEN 'cancelled'
                WHEN g.retry_in_ms IS NULL THEN 'failed'
                -- Whatever the worker asks for: what may have had its effect is repeated only where that is harmless.
                WHEN NOT called.idempotent AND g.class = ANY (_unknown_outcomes) THEN 'failed'
                WHEN l.cancel_requested THEN 'cancelled'
                WHEN g.counted AND l.attempt >= coalesce(j.max_attempts, o.max_attempts) THEN 'failed'
                ELSE 'retrying' END AS result
        FROM unnest(_pks, _epochs, _classes, _messages, _retry_in_ms, _counted, _usages, _no_effect)
            AS g (pk, epoch, class, message, retry_in_ms, counted, usage, no_effect)
        JOIN jobs.tb_job_lease AS l ON l.pk_job_run = g.pk AND l.epoch = g.epoch AND l.worker_code = _worker_code
        JOIN jobs.tb_operation AS o ON o.code = l.operation_code
        JOIN jobs.tb_operation AS called ON called.code = coalesce(nullif(abs(l.bound_code), 0), l.operation_code)
        JOIN jobs.tb_job_run AS j ON j.pk_job_run = g.pk
        CROSS JOIN LATERAL (
            SELECT own.lasts, coalesce(l.first_tried_at, l.claimed_at) + own.lasts AS ends_at
            FROM (SELECT make_interval(secs => coalesce(j.give_up_seconds, o.give_up_seconds)) AS lasts) AS own) AS patience
        WHERE l.pk_job_run = ANY (_held) AND j.pk_job_run = ANY (_held))
    SELECT array_agg(ROW(h.pk, CASE WHEN h.too_late AND h.result = 'retrying' THEN 'failed' ELSE h.result END, h.class,
        CASE
            WHEN h.too_late AND h.result = 'retrying' THEN format(
                '%s; given up, for the next try would come more than %s after the first (`give_up_after`)',
                left(h.message, 7800), h.lasts)
            ELSE h.message END,
        h.attempts, h.crashes, h.effect_possible, h.run_at, h.usage)::jobs.lease_end)
    INTO _ends
    FROM held AS h;
    RETURN _ends;
END
$$;

-- object: function jobs.fail(uuid, bigint[], integer[], text[], text[], bigint[], boolean[], jsonb[], boolean, boolean[])
-- drop: DROP FUNCTION jobs.fail(uuid, bigint[], integer[], text[], text[], bigint[], boolean[], jsonb[], boolean, boolean[])
-- Reports calls that did not succeed. The worker knows the class and how long to wait; whether attempts are left, and
-- what a cancel in between means, is decided here. What is put off (counted = false) uses no attempt up and ends by time:
-- not later than give_up_seconds after its first try. What a stopping worker hands over at once is not put off.
-- _answer_busy as in jobs.complete.
--
-- _no_effect: whether the failure proves that nothing happened, for the runner alone knows that of a refusal or an exit
-- code. Without it the class decides. Of an unknown outcome nobody knows it, whatever he says.
CREATE OR REPLACE FUNCTION jobs.fail(
    _worker uuid, _pks bigint[], _epochs integer[], _classes text[], _messages text[], _retry_in_ms bigint[],
    _counted boolean[], _usages jsonb[], _answer_busy boolean DEFAULT false, _no_effect boolean[] DEFAULT NULL)
RETURNS TABLE (pk_job_run bigint, result text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    _held bigint[];
    _busy bigint[];
    _ends jobs.lease_end[];
    _raised bigint[];
    _unknown text;
BEGIN
    SELECT coalesce(given.class, 'NULL') INTO _unknown
    FROM unnest(_classes) AS given (class)
    WHERE given.class = ANY ('{policy_denied,invalid_input,not_started,breaker_open,rate_limited,no_capacity,ambiguous,
        effect_result_lost,transient_reported,permanent_reported,timeout,resource_limit,killed_external,cancelled}')
        IS NOT TRUE
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'unknown failure class `%`', _unknown USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF 'invalid_input' = ANY (_classes) THEN
        -- While a newer version is rolled out there may be a worker that can read it.
        SELECT p._classes, p._messages, p._retry_in_ms, p._counted INTO _classes, _messages, _retry_in_ms, _counted
        FROM jobs.postpone_unread(_worker, _pks, _epochs, _classes, _messages, _retry_in_ms, _counted) AS p;
    END IF;

    SELECT l.held, l.busy INTO STRICT _held, _busy FROM jobs.lock_leases(_worker, _pks, _epochs, _answer_busy) AS l;
    _ends := jobs.judge_failures(
        _worker, _held, _pks, _epochs, _classes, _messages, _retry_in_ms, _counted, _usages, _no_effect);
    IF _ends IS NOT NULL THEN
        _raised := jobs.end_leases(_ends, 'finished');
    END IF;

    RETURN QUERY
    SELECT given.pk, CASE
        -- A callback that was not generated for the job is not waited for: that job has failed.
        WHEN given.pk = ANY (_raised)
            AND NOT EXISTS (SELECT FROM jobs.tb_job_outcome AS o WHERE o.pk_job_run = given.pk) THEN 'callback_waiting'
        WHEN given.pk = ANY (_busy) THEN 'busy'
        ELSE coalesce(e.result, 'fenced') END
    FROM unnest(_pks) WITH ORDINALITY AS given (pk, place)
    LEFT JOIN unnest(_ends) AS e ON e.pk = given.pk
    ORDER BY given.place;
END
$$;
COMMENT ON FUNCTION jobs.fail(uuid, bigint[], integer[], text[], text[], bigint[], boolean[], jsonb[], boolean, boolean[]) IS
    'Reports calls that did not succeed: retrying, failed, cancelled, callback_waiting, fenced where the lease was lost, or busy where it is locked.';
