-- Uniqueness: which call is the same as another, and which must wait for it. A key names the thing that a call is about; the
-- digest of its input says what is asked for it.

-- object: type jobs.key_place
-- drop: DROP TYPE jobs.key_place
-- Who holds a key, as far as a new job is concerned: itself, or the job that it would repeat; and the job for whose end it waits.
CREATE TYPE jobs.key_place AS (holder bigint, after_pk bigint);

-- object: function jobs.input_digest(jsonb, text[])
-- drop: DROP FUNCTION jobs.input_digest(jsonb, text[])
-- 16 bytes that tell one input from another, without the fields of _undigested.
CREATE OR REPLACE FUNCTION jobs.input_digest(_input jsonb, _undigested text[]) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT substring(sha256(convert_to((CASE WHEN _undigested IS NULL THEN _input ELSE _input - _undigested END)::text, 'UTF8'))
        FROM 1 FOR 16)
$$;

-- object: function jobs.outcome_of(bigint)
-- drop: DROP FUNCTION jobs.outcome_of(bigint)
-- How a job ended; NULL while it has not.
CREATE OR REPLACE FUNCTION jobs.outcome_of(_pk bigint) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT o.status FROM jobs.tb_job_outcome AS o WHERE o.pk_job_run = _pk);
END
$$;

-- object: function jobs.has_freed_key(bigint, text)
-- drop: DROP FUNCTION jobs.has_freed_key(bigint, text)
-- Whether a job has ended so that nobody need be kept from doing the same again: it did it, and may do it again under that
-- rule, or certainly did nothing.
CREATE OR REPLACE FUNCTION jobs.has_freed_key(_pk bigint, _rule text) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN coalesce((
        SELECT CASE o.status WHEN 'completed' THEN _rule <> 'once' ELSE NOT o.effect_possible END
        FROM jobs.tb_job_outcome AS o
        WHERE o.pk_job_run = _pk), false);
END
$$;

-- object: function jobs.take_key(bytea, bigint, text)
-- drop: DROP FUNCTION jobs.take_key(bytea, bigint, text)
-- Takes a key for a job. Returns the job that holds it: the given one, or an earlier one. Waits for a transaction that has
-- just taken or released the same key. Under REPEATABLE READ a rival's key raises PostgreSQL's own serialization failure.
CREATE OR REPLACE FUNCTION jobs.take_key(_key bytea, _pk bigint, _rule text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _holder bigint;
    _held record;
BEGIN
    WHILE _holder IS NULL LOOP
        INSERT INTO jobs.tb_job_key (key, pk_job_run, rule) VALUES (_key, _pk, _rule) ON CONFLICT (key) DO NOTHING;
        -- A statement of its own: it sees what was committed while the insert waited. Nothing, when the earlier job
        -- has released the key in between: then another round takes it.
        SELECT k.pk_job_run AS pk, k.rule INTO _held FROM jobs.tb_job_key AS k WHERE k.key = _key;
        IF _held.pk = _pk OR NOT jobs.has_freed_key(_held.pk, _held.rule) THEN
            _holder := _held.pk;
        ELSE
            -- It could not give the key back: a rival that was then undone had it locked. Looked at again behind the lock,
            -- for somebody may be retrying that job.
            PERFORM FROM jobs.tb_job_key AS k WHERE k.key = _key AND k.pk_job_run = _held.pk FOR UPDATE;
            DELETE FROM jobs.tb_job_key AS k
            WHERE k.key = _key AND k.pk_job_run = _held.pk AND jobs.has_freed_key(k.pk_job_run, k.rule);
        END IF;
    END LOOP;
    RETURN _holder;
END
$$;

-- object: function jobs.enter_key(bytea, bigint, text, bytea, boolean)
-- drop: DROP FUNCTION jobs.enter_key(bytea, bigint, text, bytea, boolean)
-- Takes a key for a new job, or finds the job that it would repeat: the newest of that key, where the same is asked. Where
-- something else is asked, the new job takes the key over and waits for the end of the one before it; with the rule `latest`
-- one that does not run at this moment ends instead. Under `once`, and by a key that the caller chose, only the same may be asked again.
CREATE OR REPLACE FUNCTION jobs.enter_key(_key bytea, _pk bigint, _rule text, _digest bytea, _chosen boolean) RETURNS jobs.key_place
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _holder bigint;
    _held_id uuid;
    _held_digest bytea;
    _place jobs.key_place;
BEGIN
    WHILE _place IS NULL LOOP
        _holder := jobs.take_key(_key, _pk, _rule);
        IF _holder <> _pk THEN
            SELECT j.id, j.input_digest INTO _held_id, _held_digest FROM jobs.tb_job_run AS j WHERE j.pk_job_run = _holder;
        END IF;
        -- Jobs from before there were digests are taken for the same.
        IF _holder = _pk OR coalesce(_held_digest, _digest) = _digest THEN
            _place := ROW(_holder, NULL)::jobs.key_place;
        ELSIF _chosen THEN
            RAISE EXCEPTION 'conflict:idempotency_key' USING ERRCODE = 'SQ001',
                DETAIL = format('job %s has the same idempotency key and another input', _held_id);
        ELSIF _rule = 'once' THEN
            _place := ROW(_holder, NULL)::jobs.key_place;
        ELSE
            -- Rivals pass one after the other, and so does who cancels one that waits; who ends the earlier job waits for nobody.
            PERFORM FROM jobs.tb_job_key AS k WHERE k.key = _key AND k.pk_job_run = _holder FOR UPDATE;
            IF FOUND THEN
                _place := jobs.take_over(_key, _pk, _rule, _holder);
            END IF;
        END IF;
    END LOOP;
    RETURN _place;
END
$$;

-- object: function jobs.take_over(bytea, bigint, text, bigint)
-- drop: DROP FUNCTION jobs.take_over(bytea, bigint, text, bigint)
-- Gives a key, whose row the caller has locked, to a newer job.
CREATE OR REPLACE FUNCTION jobs.take_over(_key bytea, _pk bigint, _rule text, _earlier bigint) RETURNS jobs.key_place
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _after bigint;
BEGIN
    IF jobs.outcome_of(_earlier) IS NULL THEN
        _after := CASE _rule WHEN 'latest' THEN jobs.supersede(_earlier) ELSE _earlier END;
    END IF;
    UPDATE jobs.tb_job_key AS k SET pk_job_run = _pk, rule = _rule WHERE k.key = _key;
    RETURN ROW(_pk, _after)::jobs.key_place;
END
$$;

-- object: function jobs.supersede(bigint)
-- drop: DROP FUNCTION jobs.supersede(bigint)
-- Ends a job that waits, for its start or for a repetition, because a newer call of its key makes it needless. Returns the job for which the
-- newer one must wait: the earlier job itself where it runs, or that for which it waited.
CREATE OR REPLACE FUNCTION jobs.supersede(_pk bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _job record;
    _places tid[];
BEGIN
    -- A worker that has it locked is starting it.
    _places := ARRAY(
        SELECT r.ctid FROM jobs.tb_job_ready AS r
        JOIN jobs.tb_job_run AS j ON j.pk_job_run = _pk
        WHERE r.lane = ANY (jobs.lanes_of(j.operation_code, j.tenant_id)) AND r.rank = -j.priority AND r.pk_job_run = _pk
        FOR UPDATE OF r SKIP LOCKED);
    DELETE FROM jobs.tb_job_ready AS r WHERE r.ctid = ANY (_places)
    RETURNING r.epoch, r.attempts, r.effect_possible, r.bound_code, NULL::bigint AS after_pk INTO _job;
    IF NOT FOUND THEN
        _places := ARRAY(SELECT s.ctid FROM jobs.tb_job_scheduled AS s WHERE s.pk_job_run = _pk FOR UPDATE SKIP LOCKED);
        DELETE FROM jobs.tb_job_scheduled AS s WHERE s.ctid = ANY (_places)
        RETURNING s.epoch, s.attempts, s.effect_possible, s.bound_code, s.after_pk INTO _job;
    END IF;
    IF NOT FOUND THEN
        RETURN _pk;
    END IF;
    INSERT INTO jobs.tb_job_outcome (
        pk_job_run, epoch, status, attempts, failure_class, error_message, effect_possible, bound_code, completed_at)
    VALUES (_pk, coalesce(_job.epoch, 0), 'cancelled', coalesce(_job.attempts, 0), 'superseded', 'a newer call of the same key made it needless',
        coalesce(_job.effect_possible, false), _job.bound_code, clock_timestamp());
    INSERT INTO jobs.tb_job_attempt (pk_job_run, epoch, attempt, event, at, failure_class)
    VALUES (_pk, coalesce(_job.epoch, 0), coalesce(_job.attempts, 0), 'cancelled', clock_timestamp(), 'superseded');
    PERFORM jobs.announce(ARRAY[_pk]);
    RETURN _job.after_pk;
END
$$;

-- object: function jobs.start_followers(bigint[])
-- drop: DROP FUNCTION jobs.start_followers(bigint[])
-- Lets jobs start that waited for the end of these, or of any: a job may end at the very moment at which another begins to wait
-- for it. Returns how many.
CREATE OR REPLACE FUNCTION jobs.start_followers(_ended bigint[] DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    _started integer;
BEGIN
    IF NOT EXISTS (SELECT FROM jobs.tb_job_scheduled AS s WHERE s.after_pk IS NOT NULL) THEN
        RETURN 0;
    END IF;
    WITH free AS MATERIALIZED (
        SELECT s.pk_job_run
        FROM jobs.tb_job_scheduled AS s
        WHERE s.after_pk IS NOT NULL AND (_ended IS NULL OR s.after_pk = ANY (_ended))
            AND EXISTS (SELECT FROM jobs.tb_job_outcome AS o WHERE o.pk_job_run = s.after_pk)
        ORDER BY s.pk_job_run
        FOR UPDATE OF s SKIP LOCKED
        LIMIT 1000)
    UPDATE jobs.tb_job_scheduled AS s SET after_pk = NULL, run_at = coalesce(j.run_at, now())
    FROM free AS f
    JOIN jobs.tb_job_run AS j ON j.pk_job_run = f.pk_job_run
    WHERE s.pk_job_run = f.pk_job_run;
    GET DIAGNOSTICS _started = ROW_COUNT;
    RETURN _started;
END
$$;
