-- object: function jobs.breaker_state(integer)
-- drop: DROP FUNCTION jobs.breaker_state(integer)
-- What a claim may do with an operation's jobs: NULL, all; 'open', none; 'probe', one, which finds out whether the service
-- works again. The row stays locked for the probe's claim, so that one worker of all makes it.
CREATE OR REPLACE FUNCTION jobs.breaker_state(_operation_code integer) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _now timestamptz := clock_timestamp();
BEGIN
    IF NOT EXISTS (
        SELECT FROM jobs.tb_circuit_breaker AS b WHERE b.operation_code = _operation_code AND b.state <> 'closed')
    THEN
        RETURN NULL;
    END IF;
    PERFORM FROM jobs.tb_circuit_breaker AS b
    WHERE b.operation_code = _operation_code
        AND (b.state = 'open' AND b.open_until <= _now OR b.state = 'half_open' AND b.probe_until <= _now)
    FOR UPDATE SKIP LOCKED;
    RETURN CASE WHEN FOUND THEN 'probe' ELSE 'open' END;
END
$$;

-- object: function jobs.begin_probe(uuid, integer)
-- drop: DROP FUNCTION jobs.begin_probe(uuid, integer)
-- Notes who finds out. Where nothing is heard until the call must have ended, somebody else does.
CREATE OR REPLACE FUNCTION jobs.begin_probe(_worker uuid, _operation_code integer) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE jobs.tb_circuit_breaker AS b
    SET state = 'half_open', probe_worker = _worker, changed_at = clock_timestamp(),
        probe_until = clock_timestamp() + make_interval(secs => 15 + (
            SELECT o.timeout_seconds FROM jobs.tb_operation AS o WHERE o.code = _operation_code))
    WHERE b.operation_code = _operation_code;
END
$$;

-- object: function jobs.open_breaker(uuid, integer, bigint, bigint, text)
-- drop: DROP FUNCTION jobs.open_breaker(uuid, integer, bigint, bigint, text)
-- Opens a breaker because too many calls failed, or its probe did: then for twice as long as before. Other failures of
-- calls that began before it opened change nothing. Answers until when it is open.
CREATE OR REPLACE FUNCTION jobs.open_breaker(
    _worker uuid, _operation_code integer, _open_for_ms bigint, _longest_ms bigint, _reason text) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _now timestamptz := clock_timestamp();
    _until timestamptz;
BEGIN
    INSERT INTO jobs.tb_circuit_breaker AS b (operation_code, state, open_for_ms, open_until, reason, changed_at)
    VALUES (_operation_code, 'open', _open_for_ms, _now + make_interval(secs => _open_for_ms / 1000.0), left(_reason, 1000), _now)
    ON CONFLICT (operation_code) DO UPDATE
    SET state = 'open',
        open_for_ms = CASE b.state WHEN 'half_open' THEN least(b.open_for_ms * 2, _longest_ms) ELSE _open_for_ms END,
        open_until = _now + make_interval(secs =>
            CASE b.state WHEN 'half_open' THEN least(b.open_for_ms * 2, _longest_ms) ELSE _open_for_ms END / 1000.0),
        opened_count = b.opened_count + 1, probe_worker = NULL, probe_until = NULL, reason = left(_reason, 1000),
        changed_at = _now
    WHERE b.state = 'closed' OR b.state = 'half_open' AND b.probe_worker = _worker
    RETURNING b.open_until INTO _until;
    RETURN coalesce(_until, (
        SELECT b.open_until FROM jobs.tb_circuit_breaker AS b WHERE b.operation_code = _operation_code));
END
$$;
COMMENT ON FUNCTION jobs.open_breaker(uuid, integer, bigint, bigint, text) IS 'Stops the calls of an operation for a while.';

-- object: function jobs.close_breaker(uuid, integer)
-- drop: DROP FUNCTION jobs.close_breaker(uuid, integer)
-- Closes a breaker whose probe found the service working.
CREATE OR REPLACE FUNCTION jobs.close_breaker(_worker uuid, _operation_code integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE jobs.tb_circuit_breaker AS b
    SET state = 'closed', probe_worker = NULL, probe_until = NULL, changed_at = clock_timestamp()
    WHERE b.operation_code = _operation_code AND b.state = 'half_open' AND b.probe_worker = _worker;
    IF FOUND THEN
        PERFORM jobs.wake_workers();
    END IF;
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION jobs.close_breaker(uuid, integer) IS 'Resumes the calls of an operation after a probe that succeeded.';

-- object: function jobs.abandon_probe(uuid, integer)
-- drop: DROP FUNCTION jobs.abandon_probe(uuid, integer)
-- A probe that made no call found nothing out: the next claim makes another.
CREATE OR REPLACE FUNCTION jobs.abandon_probe(_worker uuid, _operation_code integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE jobs.tb_circuit_breaker AS b
    SET state = 'open', probe_worker = NULL, probe_until = NULL, changed_at = clock_timestamp()
    WHERE b.operation_code = _operation_code AND b.state = 'half_open' AND b.probe_worker = _worker;
END
$$;


-- object: function jobs.reset_breaker(text, text)
-- drop: DROP FUNCTION jobs.reset_breaker(text, text)
-- Closes the breaker of an operation by hand, or those of a whole service: jobs that wait are claimed at once. Those that a
-- worker had when it opened were put off, and come at their time. Returns how many were not closed.
CREATE OR REPLACE FUNCTION jobs.reset_breaker(_service text, _operation text DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _closed integer;
BEGIN
    IF NOT EXISTS (
        SELECT FROM jobs.tb_operation AS o
        WHERE o.service_name = _service AND (_operation IS NULL OR o.operation = _operation))
    THEN
        RAISE EXCEPTION 'there is no operation `%`', concat_ws('.', _service, _operation) USING ERRCODE = 'SQ404';
    END IF;
    UPDATE jobs.tb_circuit_breaker AS b
    SET state = 'closed', probe_worker = NULL, probe_until = NULL, reason = 'closed by hand', changed_at = clock_timestamp()
    FROM jobs.tb_operation AS o
    WHERE o.code = b.operation_code AND o.service_name = _service AND (_operation IS NULL OR o.operation = _operation)
        AND b.state <> 'closed';
    GET DIAGNOSTICS _closed = ROW_COUNT;
    IF _closed > 0 THEN
        PERFORM jobs.wake_workers();
    END IF;
    RETURN _closed;
END
$$;
COMMENT ON FUNCTION jobs.reset_breaker(text, text) IS 'Closes circuit breakers by hand.';
