-- Ids of jobs. An id is a UUIDv7: the time, then the job's key behind a permutation that only this database knows. So ids
-- are in order of time and nobody can guess or count jobs by them, and a look-up by id goes straight to the job's partition.

-- object: table jobs.tb_id_key
-- drop: DROP TABLE jobs.tb_id_key
CREATE TABLE jobs.tb_id_key (
    singleton BOOLEAN PRIMARY KEY DEFAULT true,
    key BIGINT NOT NULL,
    CONSTRAINT ck_tb_id_key_singleton CHECK (singleton)
);
COMMENT ON TABLE jobs.tb_id_key IS 'What ids of jobs are made with. With another key they are found more slowly.';

-- object: data jobs.tb_id_key
INSERT INTO jobs.tb_id_key (key) VALUES (hashtextextended(gen_random_uuid()::text, 0)) ON CONFLICT (singleton) DO NOTHING;

-- object: function jobs.id_time(timestamptz)
-- drop: DROP FUNCTION jobs.id_time(timestamptz)
-- The time in an id: milliseconds, and 4096ths of one.
CREATE OR REPLACE FUNCTION jobs.id_time(_at timestamptz) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT (pg_catalog.date_part('epoch', _at) * 4096000)::bigint
$$;

-- object: function jobs.time_of(uuid)
-- drop: DROP FUNCTION jobs.time_of(uuid)
-- When a job was queued, by its id: to the millisecond.
CREATE OR REPLACE FUNCTION jobs.time_of(_id uuid) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT pg_catalog.to_timestamp(('x' || pg_catalog.translate(pg_catalog.left(_id::text, 13), '-', ''))::bit(48)::bigint / 1000.0)
$$;

-- object: function jobs.job_id(bigint, bigint, bigint)
-- drop: DROP FUNCTION jobs.job_id(bigint, bigint, bigint)
-- The id of the job with that key, at a time of jobs.id_time. Three rounds of a Feistel network over 62 bits. Written as one
-- expression, so that PostgreSQL puts it in the place of the call: calls would cost a bulk a tenth of its time.
CREATE OR REPLACE FUNCTION jobs.job_id(_pk bigint, _key bigint, _time bigint) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT pg_catalog.encode(
        pg_catalog.int8send((_time >> 12) << 16 | 28672 | (_time & 4095))
        || pg_catalog.int8send((-9223372036854775808)::bigint
            | (((_pk & 2147483647) # (pg_catalog.hashint8extended(
                (_pk >> 31) # (pg_catalog.hashint8extended(_pk & 2147483647, _key) & 2147483647), _key + 1) & 2147483647)) << 31)
            | (((_pk >> 31) # (pg_catalog.hashint8extended(_pk & 2147483647, _key) & 2147483647))
                # (pg_catalog.hashint8extended(
                    (_pk & 2147483647) # (pg_catalog.hashint8extended(
                        (_pk >> 31) # (pg_catalog.hashint8extended(_pk & 2147483647, _key) & 2147483647), _key + 1)
                        & 2147483647), _key + 2) & 2147483647))), 'hex')::uuid
$$;

-- object: function jobs.pk_of(uuid)
-- drop: DROP FUNCTION jobs.pk_of(uuid)
-- The key of the job with that id; NULL where there is none. The whole id is compared. Ids from before there was a key, or
-- from a database with another one, are looked for by the time in them.
CREATE OR REPLACE FUNCTION jobs.pk_of(_id uuid) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    _half CONSTANT bigint := 2147483647::bigint;
    _key bigint := (SELECT k.key FROM jobs.tb_id_key AS k);
    _hidden bigint := ('x' || encode(substring(uuid_send(_id) FROM 9), 'hex'))::bit(64)::bigint;
    _left bigint;
    _middle bigint;
    _right bigint;
    _pk bigint;
BEGIN
    _left := _hidden >> 31 & _half;
    _middle := (_hidden & _half) # (hashint8extended(_left, _key + 2) & _half);
    _right := _left # (hashint8extended(_middle, _key + 1) & _half);
    _left := _middle # (hashint8extended(_right, _key) & _half);
    SELECT j.pk_job_run INTO _pk FROM jobs.tb_job_run AS j WHERE j.pk_job_run = (_left << 31 | _right) AND j.id = _id;
    IF NOT FOUND THEN
        SELECT j.pk_job_run INTO _pk FROM jobs.tb_job_run AS j WHERE j.id = _id;
    END IF;
    RETURN _pk;
END
$$;
