-- object: function jobs.wake_workers()
-- drop: DROP FUNCTION jobs.wake_workers()
-- Tells idle workers about new jobs. PostgreSQL serialises the commits of transactions that notify, so few of those under
-- way at a time do; the others rely on their wake-up and on the short polls of a worker that is awake.
--
-- The first gate is held until its transaction ends, and that may take minutes. So there is a second one, another in each
-- hundredth of a second: whoever is slow has it to himself for no longer.
--
-- One expression, which PostgreSQL puts in the place of the call: a call would cost a job's enqueue some of its time.
CREATE OR REPLACE FUNCTION jobs.wake_workers() RETURNS void
LANGUAGE sql AS $$
    -- The two integers are ours: 'SpQL', and 1 for the first gate; negative for the others.
    SELECT CASE WHEN pg_catalog.pg_try_advisory_xact_lock(1399869772, 1)
        OR pg_catalog.pg_try_advisory_xact_lock(1399869772,
            (-1 - (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) * 100)::bigint % 1000000000)::integer)
    THEN pg_catalog.pg_notify('jobs_ready', '') END
$$;

-- object: function jobs.job_key(uuid, text, text, text)
-- drop: DROP FUNCTION jobs.job_key(uuid, text, text, text)
-- The parts go through a JSON array, so that no choice of names can make two different keys equal.
CREATE OR REPLACE FUNCTION jobs.job_key(_tenant_id uuid, _service text, _operation text, _identifier text) RETURNS bytea
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT sha256(convert_to(jsonb_build_array(_tenant_id, _service, _operation, _identifier)::text, 'UTF8'))
$$;

-- object: data jobs.tb_job_run.operation_code
-- Jobs from before there were codes, as far as something may still be done with them.
UPDATE jobs.tb_job_run AS j SET operation_code = o.code
FROM jobs.tb_operation AS o
WHERE j.operation_code IS NULL AND o.service_name = j.service_name AND o.operation = j.operation
    AND NOT EXISTS (SELECT FROM jobs.tb_job_outcome AS t WHERE t.pk_job_run = j.pk_job_run AND t.status = 'completed');

-- object: function jobs.check_callbacks(text, text, text, text, text)
-- drop: DROP FUNCTION jobs.check_callbacks(text, text, text, text, text)
-- Refuses callbacks that were not generated for the operation and entity of the job that names them.
CREATE OR REPLACE FUNCTION jobs.check_callbacks(
    _service text, _operation text, _entity_type text, _on_success text, _on_failure text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _problem text;
BEGIN
    SELECT named.key INTO _problem
    FROM (VALUES ('success', _on_success), ('failure', _on_failure)) AS named (kind, key)
    WHERE named.key IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM jobs.tb_callback AS c
            WHERE c.key = named.key AND c.kind = named.kind AND c.service_name = _service
                AND c.operation = _operation AND c.entity_type IS NOT DISTINCT FROM _entity_type)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'callback `%` was not generated for this operation and entity', _problem
            USING ERRCODE = 'SQ403';
    END IF;
END
$$;

-- object: function jobs.check_job(text, text, text, integer, integer, integer)
-- drop: DROP FUNCTION jobs.check_job(text, text, text, integer, integer, integer)
-- Refuses a job whose own words cannot be meant.
CREATE OR REPLACE FUNCTION jobs.check_job(
    _identifier text, _idempotency_key text, _unique text, _priority integer, _timeout_seconds integer, _max_attempts integer)
    RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _problem text := CASE
        WHEN octet_length(_identifier) > 512 THEN 'an identifier has at most 512 bytes'
        WHEN octet_length(_idempotency_key) > 512 THEN 'an idempotency key has at most 512 bytes'
        WHEN _unique NOT IN ('in_flight', 'latest', 'once', 'never')
            THEN format('`%s` is no rule of uniqueness: in_flight, latest, once or never', _unique)
        WHEN _priority NOT BETWEEN -32767 AND 32767 THEN 'a priority lies between -32767 and 32767'
        WHEN _timeout_seconds <= 0 THEN 'a job has at least one second'
        WHEN _max_attempts <= 0 THEN 'a job has at least one attempt' END;
BEGIN
    IF _problem IS NOT NULL THEN
        RAISE EXCEPTION '%', _problem USING ERRCODE = 'invalid_parameter_value';
    END IF;
END
$$;

-- object: function jobs.queue_plain_insert()
-- drop: DROP FUNCTION jobs.queue_plain_insert()
-- What a plain INSERT leaves out: its codes and id, and the row that makes the job due. The functions below give all of it, and
-- this does not run for them. Refuses operations that are not registered and callbacks that were not generated for the job.
CREATE OR REPLACE FUNCTION jobs.queue_plain_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _known record;
    _keyed boolean := nullif(coalesce(NEW.unique_rule, 'never') <> 'never', false);
    _time bigint := jobs.id_time(clock_timestamp());
BEGIN
    SELECT o.code, o.execution_type, o.policy_code, o.own_lane, k.key INTO _known
    FROM jobs.tb_operation AS o
    CROSS JOIN jobs.tb_id_key AS k
    WHERE o.service_name = NEW.service_name AND o.operation = NEW.operation;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'unknown operation `%.%`', NEW.service_name, NEW.operation USING ERRCODE = 'SQ404',
            HINT = 'Operations are registered by db.migrate() and when a worker starts.';
    END IF;
    IF NEW.on_success IS NOT NULL OR NEW.on_failure IS NOT NULL THEN
        PERFORM jobs.check_callbacks(NEW.service_name, NEW.operation, NEW.entity_type, NEW.on_success, NEW.on_failure);
    END IF;
    PERFORM jobs.check_job(
        NEW.identifier, NEW.idempotency_key, NEW.unique_rule, NEW.priority, NEW.timeout_seconds, NEW.max_attempts);
    PERFORM jobs.checked_input(NEW.input_data);
    -- Never the writer's own: an id tells its job's key.
    NEW.id := jobs.job_id(NEW.pk_job_run, _known.key, _time);
    NEW.operation_code := _known.code;
    NEW.policy_code := coalesce(NEW.policy_code, _known.policy_code);
    IF NEW.run_at > now() THEN
        INSERT INTO jobs.tb_job_scheduled (
            run_at, pk_job_run, tenant_lane, rank, operation_code, keyed, has_on_success, has_on_failure)
        VALUES (NEW.run_at, NEW.pk_job_run, jobs.tenant_lane(NEW.tenant_id), -NEW.priority, _known.code, _keyed,
            nullif(NEW.on_success IS NOT NULL, false), nullif(NEW.on_failure IS NOT NULL, false));
    ELSE
        INSERT INTO jobs.tb_job_ready (lane, rank, pk_job_run, operation_code, keyed, has_on_success, has_on_failure)
        VALUES (jobs.lane(_known.own_lane, _known.code, jobs.tenant_lane(NEW.tenant_id)), -NEW.priority, NEW.pk_job_run,
            _known.code, _keyed, nullif(NEW.on_success IS NOT NULL, false), nullif(NEW.on_failure IS NOT NULL, false));
        PERFORM jobs.wake_workers();
    END IF;
    RETURN NEW;
END
$$;

-- object: trigger tr_tb_job_run_plain ON jobs.tb_job_run
CREATE TRIGGER tr_tb_job_run_plain BEFORE INSERT ON jobs.tb_job_run
FOR EACH ROW WHEN (NEW.operation_code IS NULL) EXECUTE FUNCTION jobs.queue_plain_insert();

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

-- object: function jobs.queue_job(text, text, jsonb, text, text, text, uuid, uuid, text, integer, timestamptz, integer, integer, text, text, bigint, text, text, text[], integer, jsonb)
-- drop: DROP FUNCTION jobs.queue_job(text, text, jsonb, text, text, text, uuid, uuid, text, integer, timestamptz, integer, integer, text, text, bigint, text, text, text[], integer, jsonb)
-- What jobs.enqueue and jobs.enqueue_step have in common: key, job, and the row that makes it due.
CREATE OR REPLACE FUNCTION jobs.queue_job(
    _service text, _operation text, _input_data jsonb, _identifier text, _idempotency_key text, _unique text,
    _tenant_id uuid, _triggered_by uuid, _correlation_id text, _priority integer, _run_at timestamptz,
    _timeout_seconds integer, _max_attempts integer, _trace_context text,
    _entity_type text, _entity_pk bigint, _on_success text, _on_failure text, _undigested text[],
    _give_up_seconds integer, _rows jsonb,
    OUT job_id uuid, OUT deduplicated boolean)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _known record;
    _rule text;
    _digest bytea;
    _pk bigint := nextval('jobs.tb_job_run_pk_job_run_seq');
    _place jobs.key_place;
    -- In variables, for only a call with plain arguments is put in the place of the call.
    _time bigint := jobs.id_time(clock_timestamp());
    _id_key bigint;
BEGIN
    SELECT o.code, o.unique_rule, o.policy_code, o.own_lane, k.key INTO _known
    FROM jobs.tb_operation AS o
    CROSS JOIN jobs.tb_id_key AS k
    WHERE o.service_name = _service AND o.operation = _operation;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'unknown operation `%.%`', _service, _operation USING ERRCODE = 'SQ404',
            HINT = 'Operations are registered by db.migrate() and when a worker starts.';
    END IF;
    IF _on_success IS NOT NULL OR _on_failure IS NOT NULL THEN
        PERFORM jobs.check_callbacks(_service, _operation, _entity_type, _on_success, _on_failure);
    END IF;
    IF octet_length(_identifier) > 512 OR octet_length(_idempotency_key) > 512 OR _priority NOT BETWEEN -32767 AND 32767
        OR _timeout_seconds <= 0 OR _max_attempts <= 0 OR _unique IS NOT NULL
    THEN
        PERFORM jobs.check_job(_identifier, _idempotency_key, _unique, _priority, _timeout_seconds, _max_attempts);
    END IF;
    -- The same question as there, which spares most jobs the call.
    IF pg_column_size(_input_data) >= 800 OR pg_column_compression(_input_data) IS NOT NULL THEN
        PERFORM jobs.checked_input(_input_data);
    END IF;

    deduplicated := false;
    -- Without a name there is nothing that a second call could be equal to.
    IF _idempotency_key IS NOT NULL OR _identifier IS NOT NULL THEN
        _rule := coalesce(_unique, _known.unique_rule);
    END IF;
    IF _rule <> 'never' THEN
        _digest := jobs.input_digest(coalesce(_input_data, '{}'), _undigested);
        _place := jobs.enter_key(
            jobs.job_key(_tenant_id, _service, _operation, coalesce(_idempotency_key, _identifier)),
            _pk, _rule, _digest, _idempotency_key IS NOT NULL);
        IF _place.holder <> _pk THEN
            SELECT j.id INTO job_id FROM jobs.tb_job_run AS j WHERE j.pk_job_run = _place.holder;
            deduplicated := true;
            RETURN;
        END IF;
    END IF;

    _id_key := _known.key;
    job_id := jobs.job_id(_pk, _id_key, _time);
    INSERT INTO jobs.tb_job_run (
        pk_job_run, id, identifier, idempotency_key, operation_code, policy_code, input_data, input_digest,
        tenant_id, triggered_by, correlation_id, entity_type, entity_pk, max_attempts, timeout_seconds,
        priority, run_at, unique_rule, on_success, on_failure, trace_context, give_up_seconds, callback_rows)
    OVERRIDING SYSTEM VALUE
    VALUES (
        _pk, job_id, _identifier, _idempotency_key, _known.code, _known.policy_code, coalesce(_input_data, '{}'), _digest,
        _tenant_id, _triggered_by, _correlation_id, _entity_type, _entity_pk, _max_attempts, _timeout_seconds,
        coalesce(_priority, 0), _run_at, _rule, _on_success, _on_failure, _trace_context, _give_up_seconds, _rows);

    IF _place.after_pk IS NOT NULL OR _run_at > now() THEN
        INSERT INTO jobs.tb_job_scheduled (
            run_at, pk_job_run, tenant_lane, rank, operation_code, keyed, has_on_success, has_on_failure, after_pk)
        VALUES (CASE WHEN _place.after_pk IS NOT NULL THEN 'infinity' ELSE _run_at END, _pk, jobs.tenant_lane(_tenant_id),
            -coalesce(_priority, 0), _known.code, nullif(_rule <> 'never', false), nullif(_on_success IS NOT NULL, false),
            nullif(_on_failure IS NOT NULL, false), _place.after_pk);
    ELSE
        INSERT INTO jobs.tb_job_ready (lane, rank, pk_job_run, operation_code, keyed, has_on_success, has_on_failure)
        VALUES (jobs.lane(_known.own_lane, _known.code, jobs.tenant_lane(_tenant_id)), -coalesce(_priority, 0), _pk, _known.code,
            nullif(_rule <> 'never', false), nullif(_on_success IS NOT NULL, false), nullif(_on_failure IS NOT NULL, false));
        PERFORM jobs.wake_workers();
    END IF;
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
DECLARE
    _made record;
BEGIN
    IF _tenant_id IS NOT NULL OR coalesce(current_setting('app.tenant_id', true), '') <> '' THEN
        _tenant_id := jobs.acting_tenant(_tenant_id);
    END IF;
    -- An expression: as a query it would be planned, begun and ended each time.
    _made := jobs.queue_job(
        _service, _operation, _input_data, NULL, _idempotency_key, _unique, _tenant_id, _triggered_by,
        _correlation_id, _priority, _run_at, _timeout_seconds, _max_attempts, _trace_context,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    job_id := _made.job_id;
    deduplicated := _made.deduplicated;
END
$$;
COMMENT ON FUNCTION jobs.enqueue(text, text, jsonb, text, text, uuid, uuid, text, integer, timestamptz, integer, integer, text) IS
    'Queues a call of a registered operation in the caller''s transaction.';

-- object: function jobs.enqueue_step(text, text, jsonb, text, text, text, uuid, uuid, text, integer, timestamptz, integer, integer, text, bigint, text, text, text[], integer, jsonb)
-- drop: DROP FUNCTION jobs.enqueue_step(text, text, jsonb, text, text, text, uuid, uuid, text, integer, timestamptz, integer, integer, text, bigint, text, text, text[], integer, jsonb)
-- The same for generated actions, which alone may name an originating row, callbacks and their other rows. Granted to nobody.
-- _undigested are the inputs that differ in each call though the same is asked: times, random values. _rows are public ids, by
-- the names that callbacks have for these rows.
CREATE OR REPLACE FUNCTION jobs.enqueue_step(
    _service text, _operation text, _input_data jsonb, _identifier text, _idempotency_key text, _unique text,
    _tenant_id uuid, _triggered_by uuid, _correlation_id text, _priority integer, _run_at timestamptz,
    _timeout_seconds integer, _max_attempts integer, _entity_type text, _entity_pk bigint,
    _on_success text, _on_failure text, _undigested text[] DEFAULT NULL, _give_up_seconds integer DEFAULT NULL,
    _rows jsonb DEFAULT NULL, OUT job_id uuid, OUT deduplicated boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _made record;
BEGIN
    _made := jobs.queue_job(
        _service, _operation, _input_data, _identifier, _idempotency_key, _unique, _tenant_id, _triggered_by,
        _correlation_id, _priority, _run_at, _timeout_seconds, _max_attempts, NULL,
        _entity_type, _entity_pk, _on_success, _on_failure, _undigested, _give_up_seconds, _rows);
    job_id := _made.job_id;
    deduplicated := _made.deduplicated;
END
$$;
