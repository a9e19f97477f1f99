-- object: function jobs.wake_workers()
-- drop: DROP FUNCTION jobs.wake_workers()
-- Tells idle workers about new jobs. PostgreSQL serialises the commits of transactions that notify, so only one of
-- those under way at a time does; the others rely on its wake-up and on the short polls of a worker that is awake.
CREATE OR REPLACE FUNCTION jobs.wake_workers() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- The two integers are ours: 'SpQL', and 1 for this gate.
    IF pg_try_advisory_xact_lock(1399869772, 1) THEN
        PERFORM pg_notify('jobs_ready', '');
    END IF;
END
$$;

-- object: function jobs.job_key(uuid, text, text, text)
-- drop: DROP FUNCTION jobs.job_key(uuid, text, text, text)
-- The parts go through a JSON array, so that no choice of names can make two different keys equal.
CREATE OR REPLACE FUNCTION jobs.job_key(_tenant_id uuid, _service text, _operation text, _identifier text) RETURNS bytea
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT sha256(convert_to(jsonb_build_array(_tenant_id, _service, _operation, _identifier)::text, 'UTF8'))
$$;

-- object: function jobs.queue_new_jobs()
-- drop: DROP FUNCTION jobs.queue_new_jobs()
-- Runs once for each statement that inserts jobs, whoever made it: adds the rows that make the jobs due, and wakes
-- the workers. Refuses operations that are not registered and callbacks that were not generated for the job.
--
-- Planner settings are pinned: a session keeps the plan of its first insert, and what is right for one job beside few
-- operations reads all operations again for each job of a bulk.
CREATE OR REPLACE FUNCTION jobs.queue_new_jobs() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET jit = off AS $$
DECLARE
    _inserted bigint;
    _ready bigint;
    _scheduled bigint := 0::bigint;
    _delayed bigint;
    _problem text;
BEGIN
    SELECT count(*), count(*) FILTER (WHERE j.run_at > now()) INTO _inserted, _delayed FROM new_jobs AS j;

    INSERT INTO jobs.tb_job_ready (lane, rank, pk_job_run, operation_code, keyed, has_on_success, has_on_failure)
    SELECT jobs.lane(o.own_lane, o.code, jobs.tenant_lane(j.tenant_id)), -j.priority, j.pk_job_run, o.code,
        j.unique_rule <> 'never', j.on_success IS NOT NULL, j.on_failure IS NOT NULL
    FROM new_jobs AS j
    JOIN jobs.tb_operation AS o ON o.service_name = j.service_name AND o.operation = j.operation
    WHERE j.run_at IS NULL OR j.run_at <= now();
    GET DIAGNOSTICS _ready = ROW_COUNT;

    IF _delayed > 0 THEN
        INSERT INTO jobs.tb_job_scheduled (
            run_at, pk_job_run, tenant_lane, rank, operation_code, keyed, has_on_success, has_on_failure)
        SELECT j.run_at, j.pk_job_run, jobs.tenant_lane(j.tenant_id), -j.priority, o.code, j.unique_rule <> 'never',
            j.on_success IS NOT NULL, j.on_failure IS NOT NULL
        FROM new_jobs AS j
        JOIN jobs.tb_operation AS o ON o.service_name = j.service_name AND o.operation = j.operation
        WHERE j.run_at > now();
        GET DIAGNOSTICS _scheduled = ROW_COUNT;
    END IF;

    IF _ready + _scheduled < _inserted THEN
        SELECT format('%s.%s', j.service_name, j.operation) INTO _problem
        FROM new_jobs AS j
        WHERE NOT EXISTS (
            SELECT FROM jobs.tb_operation AS o WHERE o.service_name = j.service_name AND o.operation = j.operation)
        LIMIT 1;
        RAISE EXCEPTION 'unknown operation `%`', _problem USING ERRCODE = 'SQ404',
            HINT = 'Operations are registered by db.migrate() and when a worker starts.';
    END IF;

    IF EXISTS (SELECT FROM new_jobs AS j WHERE j.on_success IS NOT NULL OR j.on_failure IS NOT NULL) THEN
        SELECT named.key INTO _problem
        FROM new_jobs AS j
        CROSS JOIN LATERAL (VALUES ('success', j.on_success), ('failure', j.on_failure)) AS named (kind, key)
        WHERE named.key IS NOT NULL
            AND NOT EXISTS (
                SELECT FROM jobs.tb_callback AS c
                WHERE c.key = named.key AND c.kind = named.kind AND c.service_name = j.service_name
                    AND c.operation = j.operation AND c.entity_type IS NOT DISTINCT FROM j.entity_type)
        LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'callback `%` was not generated for this operation and entity', _problem
                USING ERRCODE = 'SQ403';
        END IF;
    END IF;

    IF _ready > 0 THEN
        PERFORM jobs.wake_workers();
    END IF;
    RETURN NULL;
END
$$;

-- object: trigger tr_tb_job_run_queue ON jobs.tb_job_run
-- Per statement, never per row: ten thousand jobs cost one call.
CREATE TRIGGER tr_tb_job_run_queue AFTER INSERT ON jobs.tb_job_run
REFERENCING NEW TABLE AS new_jobs FOR EACH STATEMENT EXECUTE FUNCTION jobs.queue_new_jobs();

-- object: function jobs.take_key(bytea, bigint, text)
-- drop: DROP FUNCTION jobs.take_key(bytea, bigint, text)
-- Takes a key for a job that is about to be inserted. Returns the job that holds it: the given one, or an earlier one.
-- Waits for a transaction that has just taken or released the same key. Under REPEATABLE READ a rival's key raises
-- PostgreSQL's own serialization failure.
CREATE OR REPLACE FUNCTION jobs.take_key(_key bytea, _pk bigint, _rule text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _holder bigint;
BEGIN
    WHILE _holder IS NULL LOOP
        INSERT INTO jobs.tb_job_key (key, pk_job_run, rule) VALUES (_key, _pk, _rule) ON CONFLICT (key) DO NOTHING;
        -- A statement of its own: it sees what was committed while the insert waited. Nothing, when the earlier job
        -- has released the key in between: then another round takes it.
        SELECT k.pk_job_run INTO _holder FROM jobs.tb_job_key AS k WHERE k.key = _key;
    END LOOP;
    RETURN _holder;
END
$$;

-- object: function jobs.acting_tenant(uuid)
-- drop: DROP FUNCTION jobs.acting_tenant(uuid)
-- The tenant of a new job: who acts for a tenant queues for that one and no other; who acts for none, for any.
CREATE OR REPLACE FUNCTION jobs.acting_tenant(_given uuid) RETURNS uuid
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _acting uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
BEGIN
    IF _given <> _acting THEN
        RAISE EXCEPTION 'this session acts for tenant %, not for %', _acting, _given
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN coalesce(_given, _acting);
END
$$;

-- object: function jobs.insert_job(text, text, jsonb, text, text, text, uuid, uuid, text, integer, timestamptz, integer, integer, text, text, bigint, text, text)
-- drop: DROP FUNCTION jobs.insert_job(text, text, jsonb, text, text, text, uuid, uuid, text, integer, timestamptz, integer, integer, text, text, bigint, text, text)
-- What jobs.enqueue and jobs.enqueue_step have in common.
CREATE OR REPLACE FUNCTION jobs.insert_job(
    _service text, _operation text, _input_data jsonb, _identifier text, _idempotency_key text, _unique text,
    _tenant_id uuid, _triggered_by uuid, _correlation_id text, _priority integer, _run_at timestamptz,
    _timeout_seconds integer, _max_attempts integer, _trace_context text,
    _entity_type text, _entity_pk bigint, _on_success text, _on_failure text,
    OUT job_id uuid, OUT deduplicated boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _known record;
    _rule text;
    _named text := coalesce(_idempotency_key, _identifier);
    _pk bigint := nextval('jobs.tb_job_run_pk_job_run_seq');
    _holder bigint;
BEGIN
    SELECT o.execution_type, o.timeout_seconds, o.max_attempts, o.unique_rule, o.policy_hash INTO _known
    FROM jobs.tb_operation AS o
    WHERE o.service_name = _service AND o.operation = _operation;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'unknown operation `%.%`', _service, _operation USING ERRCODE = 'SQ404',
            HINT = 'Operations are registered by db.migrate() and when a worker starts.';
    END IF;

    -- Without a name there is nothing that a second call could be equal to.
    _rule := CASE WHEN _named IS NULL THEN 'never' ELSE coalesce(_unique, _known.unique_rule) END;
    deduplicated := false;
    IF _rule <> 'never' THEN
        _holder := jobs.take_key(jobs.job_key(_tenant_id, _service, _operation, _named), _pk, _rule);
        IF _holder <> _pk THEN
            SELECT j.id INTO job_id FROM jobs.tb_job_run AS j WHERE j.pk_job_run = _holder;
            deduplicated := true;
            RETURN;
        END IF;
    END IF;

    INSERT INTO jobs.tb_job_run (
        pk_job_run, identifier, idempotency_key, service_name, operation, execution_type, input_data,
        tenant_id, triggered_by, correlation_id, entity_type, entity_pk, max_attempts, timeout_seconds,
        priority, run_at, unique_rule, on_success, on_failure, policy_hash, trace_context)
    OVERRIDING SYSTEM VALUE
    VALUES (
        _pk, _identifier, _idempotency_key, _service, _operation, _known.execution_type, coalesce(_input_data, '{}'),
        _tenant_id, _triggered_by, _correlation_id, _entity_type, _entity_pk,
        coalesce(_max_attempts, _known.max_attempts), coalesce(_timeout_seconds, _known.timeout_seconds),
        coalesce(_priority, 0), _run_at, _rule, _on_success, _on_failure, _known.policy_hash, _trace_context)
    RETURNING id INTO job_id;
END
$$;

-- object: function jobs.enqueue(text, text, jsonb, text, text, uuid, uuid, text, integer, timestamptz, integer, integer, text)
-- drop: DROP FUNCTION jobs.enqueue(text, text, jsonb, text, text, uuid, uuid, text, integer, timestamptz, integer, integer, text)
-- Queues a call in the caller's transaction. A duplicate returns the job that is there already and never raises.
CREATE OR REPLACE FUNCTION jobs.enqueue(
    _service text, _operation text, _input_data jsonb DEFAULT '{}', _idempotency_key text DEFAULT NULL,
    _unique text DEFAULT NULL, _tenant_id uuid DEFAULT NULL, _triggered_by uuid DEFAULT NULL,
    _correlation_id text DEFAULT NULL, _priority integer DEFAULT 0, _run_at timestamptz DEFAULT NULL,
    _timeout_seconds integer DEFAULT NULL, _max_attempts integer DEFAULT NULL, _trace_context text DEFAULT NULL,
    OUT job_id uuid, OUT deduplicated boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    SELECT made.job_id, made.deduplicated INTO job_id, deduplicated
    FROM jobs.insert_job(
        _service, _operation, _input_data, NULL, _idempotency_key, _unique, jobs.acting_tenant(_tenant_id), _triggered_by,
        _correlation_id, _priority, _run_at, _timeout_seconds, _max_attempts, _trace_context,
        NULL, NULL, NULL, NULL) AS made;
END
$$;
COMMENT ON FUNCTION jobs.enqueue(text, text, jsonb, text, text, uuid, uuid, text, integer, timestamptz, integer, integer, text) IS
    'Queues a call of a registered operation in the caller''s transaction.';

-- object: function jobs.enqueue_step(text, text, jsonb, text, text, text, uuid, uuid, text, integer, timestamptz, integer, integer, text, bigint, text, text)
-- drop: DROP FUNCTION jobs.enqueue_step(text, text, jsonb, text, text, text, uuid, uuid, text, integer, timestamptz, integer, integer, text, bigint, text, text)
-- The same for generated actions, which alone may name an originating row and callbacks. Granted to nobody.
CREATE OR REPLACE FUNCTION jobs.enqueue_step(
    _service text, _operation text, _input_data jsonb, _identifier text, _idempotency_key text, _unique text,
    _tenant_id uuid, _triggered_by uuid, _correlation_id text, _priority integer, _run_at timestamptz,
    _timeout_seconds integer, _max_attempts integer, _entity_type text, _entity_pk bigint,
    _on_success text, _on_failure text,
    OUT job_id uuid, OUT deduplicated boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    SELECT made.job_id, made.deduplicated INTO job_id, deduplicated
    FROM jobs.insert_job(
        _service, _operation, _input_data, _identifier, _idempotency_key, _unique, _tenant_id, _triggered_by,
        _correlation_id, _priority, _run_at, _timeout_seconds, _max_attempts, NULL,
        _entity_type, _entity_pk, _on_success, _on_failure) AS made;
END
$$;
