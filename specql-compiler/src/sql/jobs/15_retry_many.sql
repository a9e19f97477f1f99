-- object: index jobs.idx_tb_job_outcome_failed
-- Failures are few, and are looked for among millions.
CREATE INDEX idx_tb_job_outcome_failed ON jobs.tb_job_outcome (pk_job_run) WHERE status = 'failed';

-- object: function jobs.retry_many(text, text, text, uuid, timestamptz, timestamptz, integer, uuid)
-- drop: DROP FUNCTION jobs.retry_many(text, text, text, uuid, timestamptz, timestamptz, integer, uuid)
-- Queues failed jobs again, the oldest first: those of which everything that is given holds. One batch; last_id is the
-- last job that it looked at, the next batch begins after it, and NULL says that there is no more. A job that cannot be
-- retried, because another has taken its key since, is counted as refused and left as it is.
CREATE OR REPLACE FUNCTION jobs.retry_many(
    _service text DEFAULT NULL, _operation text DEFAULT NULL, _failure_class text DEFAULT NULL,
    _tenant_id uuid DEFAULT NULL, _since timestamptz DEFAULT NULL, _until timestamptz DEFAULT NULL,
    _limit integer DEFAULT 1000, _after uuid DEFAULT NULL,
    OUT retried integer, OUT refused integer, OUT last_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _after_pk bigint := jobs.pk_of(_after);
    _job record;
    _acting uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
    _seen integer := 0;
BEGIN
    retried := 0;
    refused := 0;
    FOR _job IN
        SELECT j.id
        FROM jobs.tb_job_outcome AS o
        JOIN jobs.tb_job_run AS j ON j.pk_job_run = o.pk_job_run
        JOIN jobs.tb_operation AS op ON op.code = j.operation_code
        WHERE o.status = 'failed'
            AND (_after IS NULL OR o.pk_job_run > _after_pk)
            AND (_service IS NULL OR op.service_name = _service)
            AND (_operation IS NULL OR op.operation = _operation)
            AND (_failure_class IS NULL OR o.failure_class = _failure_class)
            AND (_tenant_id IS NULL OR j.tenant_id = _tenant_id)
            AND (_acting IS NULL OR j.tenant_id = _acting)
            AND (_since IS NULL OR o.completed_at >= _since)
            AND (_until IS NULL OR o.completed_at < _until)
        ORDER BY o.pk_job_run
        -- Who retries the same jobs at this moment has them.
        FOR UPDATE OF o SKIP LOCKED
        LIMIT _limit
    LOOP
        _seen := _seen + 1;
        last_id := _job.id;
        BEGIN
            PERFORM jobs.retry(_job.id);
            retried := retried + 1;
        EXCEPTION WHEN SQLSTATE 'SQ409' OR SQLSTATE 'SQ404' THEN
            refused := refused + 1;
        END;
    END LOOP;
    IF _seen < _limit THEN
        last_id := NULL;
    END IF;
END
$$;
COMMENT ON FUNCTION jobs.retry_many(text, text, text, uuid, timestamptz, timestamptz, integer, uuid) IS
    'Queues failed jobs again, by what they have in common; a batch of them, and where the next begins.';
