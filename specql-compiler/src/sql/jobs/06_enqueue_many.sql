-- object: function jobs.checked_holders(bigint[], bigint[], bytea[], bytea[], text)
-- drop: DROP FUNCTION jobs.checked_holders(bigint[], bigint[], bytea[], bytea[], text)
-- Looks at the jobs that hold the keys of others. The key of one that has completed is taken over after all; another input under
-- the same key is refused, whether the key is held by an earlier job or given twice.
CREATE OR REPLACE FUNCTION jobs.checked_holders(
    _pks bigint[], _holders bigint[], _keys bytea[], _digests bytea[], _rule text) RETURNS bigint[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _given bytea;
BEGIN
    IF _holders = _pks THEN
        RETURN _holders;
    END IF;
    FOR _place IN 1..cardinality(_pks) LOOP
        CONTINUE WHEN _holders[_place] = _pks[_place];
        IF _holders[_place] <> ALL (_pks) THEN
            _holders[_place] := (jobs.enter_key(_keys[_place], _pks[_place], _rule, _digests[_place], true)).holder;
        END IF;
        -- Also one that has just taken the key over.
        IF _holders[_place] = ANY (_pks) THEN
            _given := _digests[array_position(_pks, _holders[_place])];
            IF _given <> _digests[_place] THEN
                RAISE EXCEPTION 'conflict:idempotency_key' USING ERRCODE = 'SQ001',
                    DETAIL = format('input %s has the idempotency key of another one and differs from it', _place);
            END IF;
        END IF;
    END LOOP;
    RETURN _holders;
END
$$;

-- object: function jobs.enqueue_many(text, text, jsonb[], text[], text[], text, uuid, uuid, integer, timestamptz)
-- drop: DROP FUNCTION jobs.enqueue_many(text, text, jsonb[], text[], text[], text, uuid, uuid, integer, timestamptz)
-- Many jobs of one operation in a handful of statements. Keys are taken in sorted order, so that two callers with the
-- same keys wait for each other instead of deadlocking. Equal keys within one call make one job.
--
-- Planner settings are pinned, as in jobs.claim: a planner that takes the arrays for ten rows, or the tables for empty,
-- may read a table from end to end for each input. Only index lookups are left to it.
CREATE OR REPLACE FUNCTION jobs.enqueue_many(
    _service text, _operation text, _inputs jsonb[], _idempotency_keys text[] DEFAULT NULL,
    _correlation_ids text[] DEFAULT NULL, _unique text DEFAULT NULL, _tenant_id uuid DEFAULT NULL,
    _triggered_by uuid DEFAULT NULL, _priority integer DEFAULT 0, _run_at timestamptz DEFAULT NULL)
RETURNS TABLE (ordinal integer, job_id uuid, deduplicated boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    _known record;
    _rule text;
    _pks bigint[];
    _keys bytea[];
    _holders bigint[];
    _digests bytea[];
    _ids uuid[];
    _time bigint := jobs.id_time(clock_timestamp());
    _id_key bigint;
    _tenant_lane bigint;
    _lane bigint;
BEGIN
    _tenant_id := jobs.acting_tenant(_tenant_id);
    IF cardinality(_idempotency_keys) <> cardinality(_inputs) OR cardinality(_correlation_ids) <> cardinality(_inputs) THEN
        RAISE EXCEPTION 'the arrays of keys and correlation ids must be as long as the array of inputs'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT o.code, o.unique_rule, o.policy_code, o.own_lane, k.key INTO _known
    FROM jobs.tb_operation AS o
    CROSS JOIN jobs.tb_id_key AS k
    WHERE o.service_name = _service AND o.operation = _operation;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'unknown operation `%.%`', _service, _operation USING ERRCODE = 'SQ404',
            HINT = 'Operations are registered by db.migrate() and when a worker starts.';
    END IF;

    PERFORM jobs.check_job(NULL, given.name, _unique, _priority, NULL, NULL)
    FROM (SELECT max(k.name) AS name FROM unnest(_idempotency_keys) AS k (name) WHERE octet_length(k.name) > 512) AS given;
    PERFORM jobs.checked_input(given.input)
    FROM unnest(_inputs) AS given (input)
    WHERE pg_column_size(given.input) >= 800 OR pg_column_compression(given.input) IS NOT NULL;
    _tenant_lane := jobs.tenant_lane(_tenant_id);
    _id_key := _known.key;
    _lane := jobs.lane(_known.own_lane, _known.code, _tenant_lane);
    _rule := CASE WHEN _idempotency_keys IS NOT NULL THEN coalesce(_unique, _known.unique_rule) END;
    _pks := ARRAY(SELECT nextval('jobs.tb_job_run_pk_job_run_seq') FROM unnest(_inputs));
    _holders := _pks;
    IF _rule <> 'never' THEN
        _keys := ARRAY(
            SELECT CASE WHEN given.name IS NOT NULL THEN jobs.job_key(_tenant_id, _service, _operation, given.name) END
            FROM unnest(_idempotency_keys) WITH ORDINALITY AS given (name, place)
            ORDER BY given.place);
        _digests := ARRAY(
            SELECT CASE WHEN given.key IS NOT NULL THEN jobs.input_digest(coalesce(given.input, '{}'), NULL) END
            FROM unnest(_keys, _inputs) WITH ORDINALITY AS given (key, input, place)
            ORDER BY given.place);
        LOOP
            INSERT INTO jobs.tb_job_key (key, pk_job_run, rule)
            SELECT DISTINCT ON (wanted.key) wanted.key, wanted.pk, _rule
            FROM unnest(_keys, _pks) AS wanted (key, pk)
            WHERE wanted.key IS NOT NULL
            ORDER BY wanted.key, wanted.pk
            ON CONFLICT (key) DO NOTHING;
            -- A statement of its own: it sees what was committed while the insert waited.
            _holders := ARRAY(
                SELECT CASE WHEN wanted.key IS NULL THEN wanted.pk ELSE held.pk_job_run END
                FROM unnest(_keys, _pks) WITH ORDINALITY AS wanted (key, pk, place)
                LEFT JOIN jobs.tb_job_key AS held ON held.key = wanted.key
                ORDER BY wanted.place);
            -- An earlier job's key may have been released in between: then it is taken in another round.
            EXIT WHEN array_position(_holders, NULL) IS NULL;
        END LOOP;
        _holders := jobs.checked_holders(_pks, _holders, _keys, _digests, _rule);
    END IF;

    WITH made AS (
        INSERT INTO jobs.tb_job_run (
            pk_job_run, id, idempotency_key, operation_code, policy_code, input_data, input_digest, tenant_id, triggered_by,
            correlation_id, priority, run_at, unique_rule)
        OVERRIDING SYSTEM VALUE
        SELECT given.pk, jobs.job_id(given.pk, _id_key, _time), given.name, _known.code, _known.policy_code,
            coalesce(given.input, '{}'), given.digest, _tenant_id, _triggered_by, given.correlation_id,
            coalesce(_priority, 0), _run_at, CASE WHEN given.name IS NOT NULL THEN _rule END
        FROM unnest(_pks, _holders, _inputs, _digests, _idempotency_keys, _correlation_ids)
            AS given (pk, holder, input, digest, name, correlation_id)
        WHERE given.pk = given.holder
        RETURNING pk_job_run, id),
    delayed AS (
        INSERT INTO jobs.tb_job_scheduled (
            run_at, pk_job_run, tenant_lane, rank, operation_code, keyed)
        SELECT _run_at, given.pk, _tenant_lane, -coalesce(_priority, 0), _known.code,
            nullif(_rule <> 'never' AND given.name IS NOT NULL, false)
        FROM unnest(_pks, _holders, _idempotency_keys) AS given (pk, holder, name)
        WHERE given.pk = given.holder AND _run_at > now()),
    due AS (
        INSERT INTO jobs.tb_job_ready (lane, rank, pk_job_run, operation_code, keyed)
        SELECT _lane, -coalesce(_priority, 0), given.pk, _known.code,
            nullif(_rule <> 'never' AND given.name IS NOT NULL, false)
        FROM unnest(_pks, _holders, _idempotency_keys) AS given (pk, holder, name)
        WHERE given.pk = given.holder AND (_run_at > now()) IS NOT TRUE)
    -- The keys come from a sequence, so their order is the order of the inputs.
    SELECT array_agg(made.id ORDER BY made.pk_job_run) INTO _ids FROM made;
    IF _ids IS NOT NULL AND (_run_at > now()) IS NOT TRUE THEN
        PERFORM jobs.wake_workers();
    END IF;

    IF cardinality(_ids) = cardinality(_pks) THEN
        RETURN QUERY
        SELECT made.place::integer, made.id, false FROM unnest(_ids) WITH ORDINALITY AS made (id, place);
    ELSE
        RETURN QUERY
        SELECT given.place::integer, job.id, given.pk <> given.holder
        FROM unnest(_pks, _holders) WITH ORDINALITY AS given (pk, holder, place)
        LEFT JOIN jobs.tb_job_run AS job ON job.pk_job_run = given.holder
        ORDER BY given.place;
    END IF;
END
$$;
COMMENT ON FUNCTION jobs.enqueue_many(text, text, jsonb[], text[], text[], text, uuid, uuid, integer, timestamptz) IS
    'Queues many calls of one operation in the caller''s transaction; rows come back in the order of the inputs.';
