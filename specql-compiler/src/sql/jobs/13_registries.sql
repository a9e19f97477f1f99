-- Which registries binaries brought, which workers run them, and whose word stands. While a new version is rolled out
-- workers of two are at work: what the newer one says of an operation stands, and after a roll-back the older one's word.

-- object: table jobs.tb_registry
-- drop: DROP TABLE jobs.tb_registry
-- A row for each registry in each environment. They are ordered by their first registration, which a restart of an older
-- binary does not change.
CREATE TABLE jobs.tb_registry (
    code INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash TEXT NOT NULL,
    operations JSONB,
    first_registered_at TIMESTAMPTZ NOT NULL,
    registered_at TIMESTAMPTZ NOT NULL,
    worker_seen_at TIMESTAMPTZ,
    CONSTRAINT uq_tb_registry_hash UNIQUE (hash)
);
COMMENT ON TABLE jobs.tb_registry IS 'Registries of the binaries that used this database.';
COMMENT ON COLUMN jobs.tb_registry.operations IS
    'What it says of its operations, without configuration; forgotten when nothing was heard of it for 90 days.';
COMMENT ON COLUMN jobs.tb_registry.first_registered_at IS
    '-infinity: of a binary from before registries were told apart, which is older than all others.';
COMMENT ON COLUMN jobs.tb_registry.worker_seen_at IS 'When a worker of it last announced itself; NULL: none ever has.';

-- object: table jobs.tb_job_unread
-- drop: DROP TABLE jobs.tb_job_unread
CREATE TABLE jobs.tb_job_unread (
    pk_job_run BIGINT PRIMARY KEY,
    first_at TIMESTAMPTZ NOT NULL,
    tries INTEGER NOT NULL
);
COMMENT ON TABLE jobs.tb_job_unread IS
    'Jobs that a newer registry queued and a worker with an older one could not read: they wait for a worker that can.';

-- object: function jobs.read_registry(jsonb)
-- drop: DROP FUNCTION jobs.read_registry(jsonb)
-- What an argument of jobs.register_operations says, a row for each operation.
CREATE OR REPLACE FUNCTION jobs.read_registry(_operations jsonb)
RETURNS TABLE (service_name text, operation text, execution_type text, timeout_seconds integer, max_attempts integer,
    unique_rule text, idempotent boolean, policy_hash text, has_breaker boolean, has_fallback boolean,
    concurrency integer, rate_starts integer, rate_period_ms integer, give_up_seconds integer)
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT g.service, g.operation, coalesce(g.execution_type, 'http'), g.timeout_seconds, g.max_attempts,
        coalesce(g."unique", 'in_flight'), coalesce(g.idempotent, false), g.policy_hash, coalesce(g.breaker, false),
        coalesce(g.fallback, false), g.concurrency, g.rate_starts, g.rate_period_ms, coalesce(g.give_up_seconds, 86400)
    FROM jsonb_to_recordset(_operations) AS g (service text, operation text, execution_type text, timeout_seconds integer,
        max_attempts integer, "unique" text, idempotent boolean, policy_hash text, breaker boolean, fallback boolean,
        concurrency integer, rate_starts integer, rate_period_ms integer, give_up_seconds integer)
$$;

-- object: function jobs.lock_registries()
-- drop: DROP FUNCTION jobs.lock_registries()
-- One at a time decides whose word stands, until its transaction ends: each sees the workers that the one before saw come
-- or go.
CREATE OR REPLACE FUNCTION jobs.lock_registries() RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_advisory_xact_lock(1399869772, 15)
$$;

-- object: function jobs.record_registry(jsonb)
-- drop: DROP FUNCTION jobs.record_registry(jsonb)
-- The code of the registry that this argument of jobs.register_operations is: the environment is a part of it. Under
-- jobs.lock_registries.
CREATE OR REPLACE FUNCTION jobs.record_registry(_operations jsonb) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _now timestamptz := clock_timestamp();
    _given record;
    _code integer;
BEGIN
    SELECT encode(sha256(convert_to(coalesce(jsonb_agg(o.said ORDER BY o.said ->> 'service', o.said ->> 'operation'), '[]')::text,
            'UTF8')), 'hex') AS hash,
        coalesce(jsonb_agg(o.said - 'runner_config' - 'security_context'), '[]') AS operations,
        coalesce(bool_and(coalesce((o.said ->> 'hashes_schemas')::boolean, false)), true) AS ordered
    INTO _given
    FROM jsonb_array_elements(_operations) AS o (said);

    UPDATE jobs.tb_registry AS r
    SET registered_at = _now, operations = coalesce(r.operations, _given.operations)
    WHERE r.hash = _given.hash
    RETURNING r.code INTO _code;
    IF NOT FOUND THEN
        INSERT INTO jobs.tb_registry (hash, operations, first_registered_at, registered_at)
        VALUES (_given.hash, _given.operations, CASE WHEN _given.ordered THEN _now ELSE '-infinity' END, _now)
        RETURNING code INTO _code;
        UPDATE jobs.tb_registry AS r SET operations = NULL
        WHERE r.operations IS NOT NULL AND greatest(r.registered_at, r.worker_seen_at) < _now - interval '90 days'
            AND NOT EXISTS (SELECT FROM jobs.tb_worker AS w WHERE w.registry = r.code);
    END IF;
    RETURN _code;
END
$$;

-- object: function jobs.live_registries()
-- drop: DROP FUNCTION jobs.live_registries()
-- Those that a worker runs which was heard of within a minute, the newest first.
CREATE OR REPLACE FUNCTION jobs.live_registries() RETURNS integer[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(r.code ORDER BY r.first_registered_at DESC, r.code DESC), '{}')
    FROM jobs.tb_registry AS r
    WHERE EXISTS (
        SELECT FROM jobs.tb_worker AS w
        WHERE w.registry = r.code AND w.heartbeat_at > clock_timestamp() - interval '1 minute')
$$;

-- object: function jobs.queueing_registries()
-- drop: DROP FUNCTION jobs.queueing_registries()
-- Those whose processes may be queueing jobs now, the newest first: what a worker ran within an hour, and the newest of all
-- as long as its first worker has not come, for processes that only queue announce it by db.migrate() alone.
CREATE OR REPLACE FUNCTION jobs.queueing_registries() RETURNS integer[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(r.code ORDER BY r.first_registered_at DESC, r.code DESC), '{}')
    FROM (
        SELECT a.code, a.first_registered_at, a.worker_seen_at,
            row_number() OVER (ORDER BY a.first_registered_at DESC, a.code DESC) AS place
        FROM jobs.tb_registry AS a) AS r
    WHERE r.worker_seen_at > clock_timestamp() - interval '1 hour'
        OR (r.worker_seen_at IS NULL AND r.place = 1)
        OR r.code = ANY (jobs.live_registries())
$$;

-- object: function jobs.apply_registries(integer)
-- drop: DROP FUNCTION jobs.apply_registries(integer)
-- Makes stand, of each operation, what the newest registry says that a live worker runs. _given is a registry that is
-- announced just now: where no live worker's registry has an operation, the last announcement stands. The policy that is
-- recorded with new jobs is that of the newest registry whose processes may queue them, so that no worker takes a job of a
-- newer version for one of its own. Rows that are as they should be are not written again.
CREATE OR REPLACE FUNCTION jobs.apply_registries(_given integer DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    _live integer[];
    _queueing integer[];
BEGIN
    PERFORM jobs.lock_registries();
    _live := jobs.live_registries();
    _queueing := jobs.queueing_registries();

    -- In the order of names, so that nobody who locks several of them deadlocks.
    WITH said AS (
        SELECT DISTINCT ON (s.service_name) s.service_name, s.concurrency, s.rate_starts, s.rate_period_ms
        FROM jobs.tb_registry AS r
        CROSS JOIN LATERAL jobs.read_registry(r.operations) AS s
        WHERE r.code = ANY (_live || _given)
        ORDER BY s.service_name, array_position(_live, r.code)),
    changed AS (
        SELECT l.code, s.concurrency, s.rate_starts, s.rate_period_ms
        FROM said AS s
        JOIN jobs.tb_limit AS l ON l.service_name = s.service_name
        WHERE (s.concurrency IS NOT NULL OR s.rate_starts IS NOT NULL)
            AND (l.concurrency, l.rate_starts, l.rate_period_ms)
                IS DISTINCT FROM (s.concurrency, s.rate_starts, s.rate_period_ms)
        ORDER BY s.service_name
        FOR UPDATE OF l)
    UPDATE jobs.tb_limit AS l
    SET concurrency = c.concurrency, rate_starts = c.rate_starts, rate_period_ms = c.rate_period_ms
    FROM changed AS c
    WHERE l.code = c.code;

    WITH said AS MATERIALIZED (
        SELECT r.code AS registry, s.*
        FROM jobs.tb_registry AS r
        CROSS JOIN LATERAL jobs.read_registry(r.operations) AS s
        WHERE r.code = ANY (_live || _queueing || _given)),
    queued AS (
        SELECT DISTINCT ON (s.service_name, s.operation) s.service_name, s.operation, s.policy_hash
        FROM said AS s
        WHERE s.registry = ANY (_queueing)
        ORDER BY s.service_name, s.operation, array_position(_queueing, s.registry)),
    wanted AS (
        SELECT DISTINCT ON (s.service_name, s.operation) s.service_name, s.operation, s.execution_type, s.timeout_seconds,
            s.max_attempts, s.unique_rule, s.idempotent, s.has_breaker, s.has_fallback, s.give_up_seconds,
            coalesce(q.policy_hash, s.policy_hash) AS policy_hash, l.code AS limit_code
        FROM said AS s
        LEFT JOIN queued AS q ON q.service_name = s.service_name AND q.operation = s.operation
        LEFT JOIN jobs.tb_limit AS l ON l.service_name = s.service_name
            AND (s.concurrency IS NOT NULL OR s.rate_starts IS NOT NULL)
        WHERE s.registry = ANY (_live || _given)
        ORDER BY s.service_name, s.operation, array_position(_live, s.registry)),
    changed AS (
        SELECT o.code, w.*
        FROM wanted AS w
        JOIN jobs.tb_operation AS o ON o.service_name = w.service_name AND o.operation = w.operation
        WHERE (o.execution_type, o.timeout_seconds, o.max_attempts, o.unique_rule, o.idempotent, o.policy_hash,
                o.has_breaker, o.has_fallback, o.limit_code, o.give_up_seconds)
            IS DISTINCT FROM (w.execution_type, w.timeout_seconds, w.max_attempts, w.unique_rule, w.idempotent,
                w.policy_hash, w.has_breaker, w.has_fallback, w.limit_code, w.give_up_seconds)
        ORDER BY w.service_name, w.operation
        FOR UPDATE OF o)
    UPDATE jobs.tb_operation AS o
    SET execution_type = c.execution_type, timeout_seconds = c.timeout_seconds, max_attempts = c.max_attempts,
        unique_rule = c.unique_rule, idempotent = c.idempotent, policy_hash = c.policy_hash,
        has_breaker = c.has_breaker, has_fallback = c.has_fallback, limit_code = c.limit_code,
        give_up_seconds = c.give_up_seconds, registered_at = now()
    FROM changed AS c
    WHERE o.code = c.code;
    UPDATE jobs.tb_operation AS o SET policy_code = p.code
    FROM jobs.tb_policy_code AS p
    WHERE p.policy_hash = o.policy_hash AND o.policy_code IS DISTINCT FROM p.code;

    PERFORM jobs.assign_lanes();
END
$$;

-- object: function jobs.postpone_unread(uuid, bigint[], integer[], text[], text[], bigint[], boolean[])
-- drop: DROP FUNCTION jobs.postpone_unread(uuid, bigint[], integer[], text[], text[], bigint[], boolean[])
-- Of the arguments of jobs.fail: a job whose input this worker cannot read, and whose policy came with a registry that is
-- newer than the worker's, is put off for a worker that knows it, without an attempt; for an hour from the first such try
-- at most. Then it is judged, as one of an older registry is at once.
CREATE OR REPLACE FUNCTION jobs.postpone_unread(
    _worker uuid, _pks bigint[], _epochs integer[], INOUT _classes text[], INOUT _messages text[],
    INOUT _retry_in_ms bigint[], INOUT _counted boolean[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    _now timestamptz := clock_timestamp();
    _own jobs.tb_registry;
    _worker_code integer := jobs.code_of(_worker);
    _live integer[] := jobs.live_registries();
    _unread record;
    _judged bigint[] := '{}'::bigint[];
BEGIN
    SELECT r.* INTO _own
    FROM jobs.tb_worker AS w
    JOIN jobs.tb_registry AS r ON r.code = w.registry
    WHERE w.id = _worker AND r.operations IS NOT NULL;
    IF NOT FOUND THEN
        RETURN;
    END IF;

    FOR _unread IN
        WITH misfits AS (
            SELECT g.place, g.pk, jsonb_build_array(jsonb_build_object(
                'service', o.service_name, 'operation', o.operation,
                'policy_hash', coalesce(
                    (SELECT p.policy_hash FROM jobs.tb_policy_code AS p WHERE p.code = j.policy_code),
                    j.policy_hash, o.policy_hash))) AS policy
            FROM unnest(_pks, _epochs, _classes, _retry_in_ms, _counted) WITH ORDINALITY
                AS g (pk, epoch, class, retry_in_ms, counted, place)
            JOIN jobs.tb_job_lease AS l ON l.pk_job_run = g.pk AND l.epoch = g.epoch AND l.worker_code = _worker_code
            JOIN jobs.tb_job_run AS j ON j.pk_job_run = g.pk
            JOIN jobs.tb_operation AS o ON o.code = l.operation_code
            WHERE g.class = 'invalid_input' AND (g.retry_in_ms IS NULL OR g.counted) AND j.pk_job_run = ANY (_pks)),
        newer AS MATERIALIZED (
            SELECT p.policy, bool_or(r.code = ANY (_live)) AS has_worker
            FROM (SELECT DISTINCT m.policy FROM misfits AS m) AS p
            JOIN jobs.tb_registry AS r ON r.operations @> p.policy
            WHERE (r.first_registered_at, r.code) > (_own.first_registered_at, _own.code)
                AND NOT _own.operations @> p.policy
            GROUP BY p.policy),
        noted AS (
            INSERT INTO jobs.tb_job_unread AS u (pk_job_run, first_at, tries)
            SELECT m.pk, _now, 1 FROM misfits AS m JOIN newer AS n ON n.policy = m.policy ORDER BY m.pk
            ON CONFLICT (pk_job_run) DO UPDATE SET tries = u.tries + 1
            RETURNING u.pk_job_run, u.first_at, u.tries)
        SELECT m.place, n.pk_job_run, n.first_at > _now - interval '1 hour' AS waits,
            -- Soon again where a worker that knows it is there and was only slower; else after 1, 2, 4 … 60 s, for the next
            -- worker that starts has it looked at. Spread, so that they do not all come back at once.
            (CASE WHEN w.has_worker THEN least(250 * n.tries, 5000) ELSE least(1000 * 2 ^ least(n.tries - 1, 6), 60000) END
                * (0.5 + random() / 2))::bigint AS wait_ms
        FROM noted AS n
        JOIN misfits AS m ON m.pk = n.pk_job_run
        JOIN newer AS w ON w.policy = m.policy
    LOOP
        IF _unread.waits THEN
            _classes[_unread.place] := 'no_capacity';
            _messages[_unread.place] := format(
                'a newer version queued it, and it waits for a worker of that; to this one: %s', _messages[_unread.place]);
            _retry_in_ms[_unread.place] := _unread.wait_ms;
            _counted[_unread.place] := false;
        ELSE
            _messages[_unread.place] := format('%s (a newer version queued it, and for an hour no worker of that took it)',
                _messages[_unread.place]);
            _judged := _judged || _unread.pk_job_run;
        END IF;
    END LOOP;
    DELETE FROM jobs.tb_job_unread AS u WHERE u.pk_job_run = ANY (_judged);
END
$$;

-- object: function jobs.hurry_unread()
-- drop: DROP FUNCTION jobs.hurry_unread()
-- A worker has come: whatever waits for one that can read it is looked at again. What waited in vain is forgotten.
CREATE OR REPLACE FUNCTION jobs.hurry_unread() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM jobs.tb_job_unread AS u) THEN
        RETURN;
    END IF;
    DELETE FROM jobs.tb_job_unread AS u WHERE u.first_at < now() - interval '1 day';
    WITH waiting AS (
        SELECT s.pk_job_run
        FROM jobs.tb_job_unread AS u
        JOIN jobs.tb_job_scheduled AS s ON s.pk_job_run = u.pk_job_run
        WHERE s.run_at > now() AND s.after_pk IS NULL
        ORDER BY s.pk_job_run
        FOR UPDATE OF s SKIP LOCKED)
    UPDATE jobs.tb_job_scheduled AS s SET run_at = now() FROM waiting AS w WHERE s.pk_job_run = w.pk_job_run;
END
$$;

-- object: view jobs.v_registry
-- drop: DROP VIEW jobs.v_registry
CREATE VIEW jobs.v_registry WITH (security_invoker = true) AS
SELECT
    r.code,
    r.hash,
    nullif(r.first_registered_at, '-infinity') AS first_registered_at,
    r.registered_at,
    r.worker_seen_at,
    (SELECT count(*) FROM jobs.tb_worker AS w
    WHERE w.registry = r.code AND w.heartbeat_at > now() - interval '1 minute') AS workers,
    jsonb_array_length(r.operations) AS operations
FROM jobs.tb_registry AS r
ORDER BY r.first_registered_at DESC, r.code DESC;
COMMENT ON VIEW jobs.v_registry IS
    'Versions of the registry, the newest first. What the first of those with workers says of limits and operations stands.';
