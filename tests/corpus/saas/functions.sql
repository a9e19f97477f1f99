CREATE FUNCTION platform.strength(key TEXT) RETURNS INTEGER
LANGUAGE sql IMMUTABLE AS $$ SELECT count(DISTINCT c)::integer FROM regexp_split_to_table(coalesce(key, ''), '') AS c $$;
