-- Scalars that have no JSON form of their own: read from it, and written in it.

-- object: function app.to_time(jsonb, text)
-- drop: DROP FUNCTION app.to_time(jsonb, text)
CREATE OR REPLACE FUNCTION app.to_time(_value JSONB, _name TEXT)
RETURNS TIME
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
DECLARE
    _text CONSTANT TEXT := app.to_text(_value, _name);
BEGIN
    PERFORM app.expect(
        _text ~ '^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,6})?)?$', _name, 'a time of day as in 14:30:00');
    RETURN _text::time;
END;
$specql$;
COMMENT ON FUNCTION app.to_time(jsonb, text) IS 'A JSON string as time';

-- object: function app.to_duration(jsonb, text)
-- drop: DROP FUNCTION app.to_duration(jsonb, text)
CREATE OR REPLACE FUNCTION app.to_duration(_value JSONB, _name TEXT)
RETURNS INTERVAL
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
DECLARE
    _what CONSTANT TEXT := 'a length of time as in P1DT2H';
    _text CONSTANT TEXT := app.to_text(_value, _name);
BEGIN
    PERFORM app.expect(
        _text ~ ('^P(-?[0-9]{1,10}Y)?(-?[0-9]{1,10}M)?(-?[0-9]{1,10}W)?(-?[0-9]{1,10}D)?'
            || '(T(-?[0-9]{1,10}H)?(-?[0-9]{1,10}M)?(-?[0-9]{1,10}([.][0-9]{1,6})?S)?)?$')
        AND _text !~ '[PT]$',
        _name, _what);
    RETURN _text::interval;
EXCEPTION
    WHEN invalid_datetime_format OR datetime_field_overflow OR interval_field_overflow THEN
        PERFORM app.expect(FALSE, _name, _what);
        RETURN NULL;
END;
$specql$;
COMMENT ON FUNCTION app.to_duration(jsonb, text) IS 'A JSON string in the form of ISO 8601 as interval';

-- object: function app.to_inet(jsonb, text)
-- drop: DROP FUNCTION app.to_inet(jsonb, text)
CREATE OR REPLACE FUNCTION app.to_inet(_value JSONB, _name TEXT)
RETURNS INET
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
DECLARE
    _what CONSTANT TEXT := 'an IP address or network';
    _text CONSTANT TEXT := app.to_text(_value, _name);
BEGIN
    -- PostgreSQL takes short forms besides, which other readers do not.
    PERFORM app.expect(
        _text ~ '^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])([.]|(?=/|$))){4}(/[0-9]{1,3})?$'
        OR _text ~ '^[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(/[0-9]{1,3})?$',
        _name, _what);
    RETURN _text::inet;
EXCEPTION
    WHEN invalid_text_representation THEN
        PERFORM app.expect(FALSE, _name, _what);
        RETURN NULL;
END;
$specql$;
COMMENT ON FUNCTION app.to_inet(jsonb, text) IS 'A JSON string as inet';

-- object: function app.to_macaddr(jsonb, text)
-- drop: DROP FUNCTION app.to_macaddr(jsonb, text)
CREATE OR REPLACE FUNCTION app.to_macaddr(_value JSONB, _name TEXT)
RETURNS MACADDR
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
DECLARE
    _text CONSTANT TEXT := app.to_text(_value, _name);
BEGIN
    PERFORM app.expect(_text ~* '^[0-9a-f]{2}(:[0-9a-f]{2}){5}$', _name, 'a MAC address as in 08:00:2b:01:02:03');
    RETURN _text::macaddr;
END;
$specql$;
COMMENT ON FUNCTION app.to_macaddr(jsonb, text) IS 'A JSON string as macaddr';

-- object: function app.to_point(jsonb, text)
-- drop: DROP FUNCTION app.to_point(jsonb, text)
CREATE OR REPLACE FUNCTION app.to_point(_value JSONB, _name TEXT)
RETURNS POINT
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
DECLARE
    _what CONSTANT TEXT := 'a point as in {"x": 1.5, "y": 2}';
BEGIN
    IF coalesce(jsonb_typeof(_value), 'null') = 'null' THEN
        RETURN NULL;
    END IF;
    PERFORM app.expect(jsonb_typeof(_value) = 'object', _name, _what);
    PERFORM app.expect(_value ?& ARRAY['x', 'y'] AND _value - ARRAY['x', 'y'] = '{}'::jsonb, _name, _what);
    PERFORM app.expect(_value -> 'x' <> 'null'::jsonb AND _value -> 'y' <> 'null'::jsonb, _name, _what);
    RETURN point(app.to_float(_value -> 'x', _name), app.to_float(_value -> 'y', _name));
END;
$specql$;
COMMENT ON FUNCTION app.to_point(jsonb, text) IS 'A JSON object {"x", "y"} as point';

-- object: function app.duration_text(interval)
-- drop: DROP FUNCTION app.duration_text(interval)
CREATE OR REPLACE FUNCTION app.duration_text(_value INTERVAL)
RETURNS TEXT
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
SET intervalstyle = iso_8601
AS $specql$
SELECT _value::text;
$specql$;
COMMENT ON FUNCTION app.duration_text(interval) IS 'A length of time in the form of ISO 8601, whatever the session''s style is';

-- object: function app.duration_texts(interval[])
-- drop: DROP FUNCTION app.duration_texts(interval[])
CREATE OR REPLACE FUNCTION app.duration_texts(_values INTERVAL[])
RETURNS TEXT[]
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
SET intervalstyle = iso_8601
AS $specql$
SELECT _values::text[];
$specql$;
COMMENT ON FUNCTION app.duration_texts(interval[]) IS 'Lengths of time in the form of ISO 8601';

-- object: function app.point_json(point)
-- drop: DROP FUNCTION app.point_json(point)
CREATE OR REPLACE FUNCTION app.point_json(_value POINT)
RETURNS JSONB
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
SELECT CASE WHEN _value IS NOT NULL THEN jsonb_build_object('x', _value[0], 'y', _value[1]) END;
$specql$;
COMMENT ON FUNCTION app.point_json(point) IS 'A point as {"x", "y"}';

-- object: function app.point_list_json(point[])
-- drop: DROP FUNCTION app.point_list_json(point[])
CREATE OR REPLACE FUNCTION app.point_list_json(_values POINT[])
RETURNS JSONB
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
SELECT CASE WHEN _values IS NOT NULL THEN (
    SELECT coalesce(jsonb_agg(app.point_json(p.value) ORDER BY p.position), '[]'::jsonb)
    FROM unnest(_values) WITH ORDINALITY AS p(value, position)
) END;
$specql$;
COMMENT ON FUNCTION app.point_list_json(point[]) IS 'Points as a list of {"x", "y"}';
