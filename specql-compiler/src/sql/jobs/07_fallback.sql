-- object: function jobs.bind(uuid, bigint, integer, integer)
-- drop: DROP FUNCTION jobs.bind(uuid, bigint, integer, integer)
-- Notes, before the call, that a job is about to be carried out by its fallback: should the worker die now, no other
-- service may be called for this job. Answers 'bound'; 'lost' where the lease is no longer this worker's, or another
-- attempt may have had its effect elsewhere; or 'no_room' under the fallback's own limit, or where somebody holds the rows.
CREATE OR REPLACE FUNCTION jobs.bind(_worker uuid, _pk bigint, _epoch integer, _operation_code integer) RETURNS text
-- Whoever finds the lease locked does not call the fallback now.
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
    _limit_code integer := (SELECT o.limit_code FROM jobs.tb_operation AS o WHERE o.code = _operation_code);
    _worker_code integer := jobs.code_of(_worker);
    _bound integer;
BEGIN
    SELECT coalesce(l.bound_code, 0) INTO _bound
    FROM jobs.tb_job_lease AS l
    WHERE l.pk_job_run = _pk AND l.epoch = _epoch AND l.worker_code = _worker_code
        AND (l.effect_possible IS NOT TRUE OR abs(l.bound_code) = _operation_code)
    FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'lost';
    END IF;
    IF _limit_code IS NOT NULL THEN
        IF _bound = _operation_code THEN
            -- It is bound already, and is not counted twice.
            UPDATE jobs.tb_job_lease AS l SET bound_code = 0 WHERE l.pk_job_run = _pk;
        END IF;
        -- A claim of this worker may be taking slots of the same share: first its leases must be there to be counted.
        PERFORM FROM jobs.tb_limit_share AS s WHERE s.limit_code = _limit_code AND s.worker = _worker FOR UPDATE;
        IF jobs.limit_room(_worker, _limit_code, 1, NULL) < 1 THEN
            UPDATE jobs.tb_job_lease AS l SET bound_code = _bound WHERE l.pk_job_run = _pk AND coalesce(l.bound_code, 0) <> _bound;
            RETURN 'no_room';
        END IF;
        PERFORM jobs.count_starts(_limit_code, 1);
        UPDATE jobs.tb_limit_share AS s SET bound_at = clock_timestamp()
        WHERE s.limit_code = _limit_code AND s.worker = _worker
            AND (s.bound_at > clock_timestamp() - interval '1 second') IS NOT TRUE;
    END IF;
    UPDATE jobs.tb_job_lease AS l SET bound_code = _operation_code WHERE l.pk_job_run = _pk AND l.bound_code IS DISTINCT FROM _operation_code;
    RETURN 'bound';
EXCEPTION WHEN lock_not_available THEN
    RETURN 'no_room';
END
$$;
COMMENT ON FUNCTION jobs.bind(uuid, bigint, integer, integer) IS
    'Lets a fallback carry a job out, and no other service from then on.';
