-- object: function jobs.checked_input(jsonb)
-- drop: DROP FUNCTION jobs.checked_input(jsonb)
-- The input of a new job, if every worker can read it: nested at most 100 levels deep, and at most 16 MiB as text. The
-- caller is told here, where the mistake is, and not by a job that fails.
--
-- Nothing is looked at that cannot be at fault: a value of less than 800 bytes has not the room for 101 levels (eight bytes
-- each), unless it is compressed, as one that was read from a table may be. No compression makes 16 MiB fit into 60,000 bytes.
CREATE OR REPLACE FUNCTION jobs.checked_input(_input jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF pg_column_size(_input) < 800 AND pg_column_compression(_input) IS NULL THEN
        RETURN _input;
    END IF;
    IF pg_column_size(_input) > 60000 AND octet_length(_input::text) > 16777216 THEN
        RAISE EXCEPTION 'the input of a job has % bytes; at most 16777216 (16 MiB) are allowed', octet_length(_input::text)
            USING ERRCODE = 'program_limit_exceeded',
            HINT = 'Store what is large elsewhere, and give the job a reference to it.';
    END IF;
    -- No further down than that, so that the depth of the document is no danger to the search.
    IF jsonb_path_exists(_input, 'strict $.**{100} ? (@.type() == "object" || @.type() == "array")') THEN
        RAISE EXCEPTION 'the input of a job is nested deeper than 100 levels'
            USING ERRCODE = 'program_limit_exceeded',
            HINT = 'Many readers of JSON refuse such a document; give it as a text, or flatten it.';
    END IF;
    RETURN _input;
END
$$;
