-- object: type jobs.watermark
-- drop: DROP TYPE jobs.watermark
-- How far a connection has claimed lane 0 for a worker: the last job that it claimed, where that was a quarter to half a
-- second ago, the place that will be that, and what the last look at everything took.
CREATE TYPE jobs.watermark AS (
    worker uuid, rank integer, pk bigint, recent_rank integer, recent_pk bigint, next_rank integer, next_pk bigint,
    next_at timestamptz, scanned_at timestamptz, scan_took interval);
