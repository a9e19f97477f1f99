-- Functions on JSON values that answer NULL where PostgreSQL's own raise.

-- object: function app.jsonb_array_length(jsonb)
-- drop: DROP FUNCTION app.jsonb_array_length(jsonb)
CREATE OR REPLACE FUNCTION app.jsonb_array_length(_value JSONB)
RETURNS INTEGER
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
SELECT CASE WHEN jsonb_typeof(_value) = 'array' THEN jsonb_array_length(_value) END;
$specql$;
COMMENT ON FUNCTION app.jsonb_array_length(jsonb) IS 'How many elements a JSON array has; NULL of anything else';
