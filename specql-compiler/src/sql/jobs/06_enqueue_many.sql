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
    _ids uuid[];
BEGIN
    _tenant_id := jobs.acting_tenant(_tenant_id);
    IF cardinality(_idempotency_keys) <> cardinality(_inputs) OR cardinality(_correlation_ids) <> cardinality(_inputs) THEN
        RAISE EXCEPTION 'the arrays of keys and correlation ids must be as long as the array of inputs'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT o.execution_type, o.timeout_seconds, o.max_attempts, o.unique_rule, o.policy_hash INTO _known
    FROM jobs.tb_operation AS o
    WHERE o.service_name = _service AND o.operation = _operation;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'unknown operation `%.%`', _service, _operation USING ERRCODE = 'SQ404',
            HINT = 'Operations are registered by db.migrate() and when a worker starts.';
    END IF;

    _rule := CASE WHEN _idempotency_keys IS NULL THEN 'never' ELSE coalesce(_unique, _known.unique_rule) END;
    _pks := ARRAY(SELECT nextval('jobs.tb_job_run_pk_job_run_seq') FROM unnest(_inputs));
    _holders := _pks;
    IF _rule <> 'never' THEN
        _keys := ARRAY(
            SELECT CASE WHEN given.name IS NOT NULL THEN jobs.job_key(_tenant_id, _service, _operation, given.name) END
            FROM unnest(_idempotency_keys) WITH ORDINALITY AS given (name, place)
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
    END IF;

    WITH made AS (
        INSERT INTO jobs.tb_job_run (
            pk_job_run, idempotency_key, service_name, operation, execution_type, input_data, tenant_id, triggered_by,
            correlation_id, max_attempts, timeout_seconds, priority, run_at, unique_rule, policy_hash)
        OVERRIDING SYSTEM VALUE
        SELECT given.pk, given.name, _service, _operation, _known.execution_type, coalesce(given.input, '{}'),
            _tenant_id, _triggered_by, given.correlation_id, _known.max_attempts, _known.timeout_seconds,
            coalesce(_priority, 0), _run_at, CASE WHEN given.name IS NULL THEN 'never' ELSE _rule END, _known.policy_hash
        FROM unnest(_pks, _holders, _inputs, _idempotency_keys, _correlation_ids)
            AS given (pk, holder, input, name, correlation_id)
        WHERE given.pk = given.holder
        RETURNING pk_job_run, id)
    -- The keys come from a sequence, so their order is the order of the inputs.
    SELECT array_agg(made.id ORDER BY made.pk_job_run) INTO _ids FROM made;

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
