-- object: type jobs.watermark
-- drop: DROP TYPE jobs.watermark
-- How far a connection has claimed lane 0 for a worker: the last job that it claimed, where that was a quarter to half a
-- second ago, the place that will be that, and what the last look at everything took.
CREATE TYPE jobs.watermark AS (
    worker uuid, rank integer, pk bigint, recent_rank integer, recent_pk bigint, next_rank integer, next_pk bigint,
    next_at timestamptz, scanned_at timestamptz, scan_took interval);

-- object: function jobs.move_watermark(jobs.watermark, timestamptz, boolean, boolean, integer, bigint)
-- drop: DROP FUNCTION jobs.move_watermark(jobs.watermark, timestamptz, boolean, boolean, integer, bigint)
-- For a claim of an earlier version that is under way while the queue is upgraded. Notes how far it came that began then, at the
-- head of the lane or not, and took all there was or not.
CREATE OR REPLACE FUNCTION jobs.move_watermark(
    _mark jobs.watermark, _began_at timestamptz, _from_head boolean, _all boolean, _rank integer, _pk bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _now timestamptz := clock_timestamp();
    _ages boolean := _now > _mark.next_at + interval '250 milliseconds';
    _last bigint[] := ARRAY[_mark.rank, _mark.pk];
    _recent bigint[] := ARRAY[_mark.recent_rank, _mark.recent_pk];
    _next bigint[] := ARRAY[_mark.next_rank, _mark.next_pk];
BEGIN
    -- Back only where jobs that became visible before it may be left.
    IF _rank IS NOT NULL AND (NOT _all OR ARRAY[_rank, _pk] > _last) THEN
        _last := ARRAY[_rank, _pk];
        _recent := least(_recent, _last);
        _next := least(_next, _last);
    END IF;
    IF _ages THEN
        _recent := _next;
        _next := _last;
    END IF;
    PERFORM set_config('specql.watermark', ROW(
        _mark.worker, _last[1], _last[2], _recent[1], _recent[2], _next[1], _next[2],
        CASE WHEN _ages THEN _now ELSE _mark.next_at END,
        CASE WHEN _from_head THEN _began_at ELSE _mark.scanned_at END,
        CASE WHEN _from_head THEN _now - _began_at ELSE _mark.scan_took END)::jobs.watermark::text, false);
END
$$;
