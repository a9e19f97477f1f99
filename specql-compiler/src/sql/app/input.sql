-- Reading a JSON payload. What does not fit ends the action with validation:<code>, and the code names the field:
-- invalid_payload, unknown_field_<name>, missing_<name>, invalid_<name>, unknown_<name> (a ref to a row that is not there).

-- object: function app.check_payload(jsonb, text[], text[])
-- drop: DROP FUNCTION app.check_payload(jsonb, text[], text[])
CREATE OR REPLACE FUNCTION app.check_payload(_payload JSONB, _allowed TEXT[], _required TEXT[])
RETURNS void
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
DECLARE
    _name TEXT;
BEGIN
    IF jsonb_typeof(_payload) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SQ001',
            MESSAGE = 'validation:invalid_payload',
            DETAIL = 'the input must be a JSON object';
    END IF;

    SELECT k.name INTO _name
    FROM jsonb_object_keys(_payload) AS k(name)
    WHERE k.name <> ALL (_allowed)
    ORDER BY k.name
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SQ001',
            MESSAGE = 'validation:unknown_field_' || left(_name, 63),
            DETAIL = format('the action has no input %s; it takes %s', left(_name, 63), array_to_string(_allowed, ', '));
    END IF;

    SELECT r.name INTO _name
    FROM unnest(_required) WITH ORDINALITY AS r(name, position)
    WHERE coalesce(jsonb_typeof(_payload -> r.name), 'null') = 'null'
    ORDER BY r.position
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SQ001',
            MESSAGE = 'validation:missing_' || _name,
            DETAIL = format('%s must be given', _name);
    END IF;
END;
$specql$;
COMMENT ON FUNCTION app.check_payload(jsonb, text[], text[]) IS
    'Refuses a payload that is no object, has a key that is not allowed, or lacks a required one';

-- object: function app.expect(boolean, text, text)
-- drop: DROP FUNCTION app.expect(boolean, text, text)
CREATE OR REPLACE FUNCTION app.expect(_condition BOOLEAN, _name TEXT, _what TEXT)
RETURNS void
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
BEGIN
    IF _condition IS FALSE THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SQ001',
            -- The code names the field, the words the place in it: address.city, lines[0].
            MESSAGE = 'validation:invalid_' || substring(_name FROM '^[^.[]*'),
            DETAIL = format('%s must be %s', _name, _what);
    END IF;
END;
$specql$;
COMMENT ON FUNCTION app.expect(boolean, text, text) IS
    'Ends the action as validation:invalid_<name> when the condition is false; NULL passes, as in a CHECK';

-- object: function app.to_json(jsonb)
-- drop: DROP FUNCTION app.to_json(jsonb)
CREATE OR REPLACE FUNCTION app.to_json(_value JSONB)
RETURNS JSONB
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
SELECT nullif(_value, 'null'::jsonb);
$specql$;
COMMENT ON FUNCTION app.to_json(jsonb) IS 'A JSON value as it is; null is NULL';

-- object: function app.to_text(jsonb, text)
-- drop: DROP FUNCTION app.to_text(jsonb, text)
CREATE OR REPLACE FUNCTION app.to_text(_value JSONB, _name TEXT)
RETURNS TEXT
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
BEGIN
    PERFORM app.expect(jsonb_typeof(_value) IN ('string', 'null'), _name, 'a text');
    RETURN _value #>> '{}';
END;
$specql$;
COMMENT ON FUNCTION app.to_text(jsonb, text) IS 'A JSON string as text';

-- object: function app.to_boolean(jsonb, text)
-- drop: DROP FUNCTION app.to_boolean(jsonb, text)
CREATE OR REPLACE FUNCTION app.to_boolean(_value JSONB, _name TEXT)
RETURNS BOOLEAN
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
BEGIN
    PERFORM app.expect(jsonb_typeof(_value) IN ('boolean', 'null'), _name, 'true or false');
    RETURN (_value #>> '{}')::boolean;
END;
$specql$;
COMMENT ON FUNCTION app.to_boolean(jsonb, text) IS 'A JSON boolean';

-- object: function app.to_number(jsonb, text, text)
-- drop: DROP FUNCTION app.to_number(jsonb, text, text)
CREATE OR REPLACE FUNCTION app.to_number(_value JSONB, _name TEXT, _what TEXT)
RETURNS NUMERIC
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
DECLARE
    _text CONSTANT TEXT := _value #>> '{}';
BEGIN
    CASE coalesce(jsonb_typeof(_value), 'null')
        WHEN 'null' THEN
            RETURN NULL;
        WHEN 'number' THEN
            RETURN _text::numeric;
        WHEN 'string' THEN
            -- Numbers that a JSON reader could round travel as text. NaN and infinity are not numbers here.
            PERFORM app.expect(length(_text) <= 1000 AND _text ~ '^-?[0-9]+([.][0-9]+)?$', _name, _what);
            RETURN _text::numeric;
        ELSE
            PERFORM app.expect(FALSE, _name, _what);
            RETURN NULL;
    END CASE;
END;
$specql$;
COMMENT ON FUNCTION app.to_number(jsonb, text, text) IS 'A JSON number, or a text that is one';

-- object: function app.to_integer(jsonb, text)
-- drop: DROP FUNCTION app.to_integer(jsonb, text)
CREATE OR REPLACE FUNCTION app.to_integer(_value JSONB, _name TEXT)
RETURNS INTEGER
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
DECLARE
    _what CONSTANT TEXT := 'a whole number from -2147483648 to 2147483647';
    _number NUMERIC;
BEGIN
    PERFORM app.expect(jsonb_typeof(_value) IN ('number', 'null'), _name, _what);
    _number := app.to_number(_value, _name, _what);
    PERFORM app.expect(_number = trunc(_number) AND _number BETWEEN -2147483648 AND 2147483647, _name, _what);
    RETURN _number::integer;
END;
$specql$;
COMMENT ON FUNCTION app.to_integer(jsonb, text) IS 'A JSON number as integer';

-- object: function app.to_bigint(jsonb, text)
-- drop: DROP FUNCTION app.to_bigint(jsonb, text)
CREATE OR REPLACE FUNCTION app.to_bigint(_value JSONB, _name TEXT)
RETURNS BIGINT
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
DECLARE
    _what CONSTANT TEXT := 'a whole number of 64 bits';
    _number CONSTANT NUMERIC := app.to_number(_value, _name, _what);
BEGIN
    PERFORM app.expect(
        _number = trunc(_number) AND _number BETWEEN -9223372036854775808 AND 9223372036854775807, _name, _what);
    RETURN _number::bigint;
END;
$specql$;
COMMENT ON FUNCTION app.to_bigint(jsonb, text) IS 'A JSON number, or a text that is one, as bigint';

-- object: function app.to_decimal(jsonb, text, integer, integer)
-- drop: DROP FUNCTION app.to_decimal(jsonb, text, integer, integer)
CREATE OR REPLACE FUNCTION app.to_decimal(
    _value JSONB, _name TEXT, _precision INTEGER DEFAULT NULL, _scale INTEGER DEFAULT NULL)
RETURNS NUMERIC
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
DECLARE
    _number CONSTANT NUMERIC := app.to_number(_value, _name, 'a number');
BEGIN
    -- A cast to NUMERIC(p, s) would round silently.
    PERFORM app.expect(
        trunc(_number, _scale) = _number AND abs(_number) < power(10::numeric, _precision - _scale),
        _name,
        format('a number with at most %s digits before and %s after the point', _precision - _scale, _scale));
    RETURN _number;
END;
$specql$;
COMMENT ON FUNCTION app.to_decimal(jsonb, text, integer, integer) IS
    'A JSON number, or a text that is one, as numeric that fits precision and scale';

-- object: function app.to_float(jsonb, text)
-- drop: DROP FUNCTION app.to_float(jsonb, text)
CREATE OR REPLACE FUNCTION app.to_float(_value JSONB, _name TEXT)
RETURNS DOUBLE PRECISION
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
DECLARE
    _what CONSTANT TEXT := 'a number within the range of a 64 bit float';
BEGIN
    PERFORM app.expect(jsonb_typeof(_value) IN ('number', 'null'), _name, _what);
    RETURN (_value #>> '{}')::double precision;
EXCEPTION
    WHEN numeric_value_out_of_range THEN
        PERFORM app.expect(FALSE, _name, _what);
        RETURN NULL;
END;
$specql$;
COMMENT ON FUNCTION app.to_float(jsonb, text) IS 'A JSON number as double precision';

-- object: function app.to_uuid(jsonb, text)
-- drop: DROP FUNCTION app.to_uuid(jsonb, text)
CREATE OR REPLACE FUNCTION app.to_uuid(_value JSONB, _name TEXT)
RETURNS UUID
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
DECLARE
    _text CONSTANT TEXT := app.to_text(_value, _name);
BEGIN
    PERFORM app.expect(
        _text ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$', _name, 'a UUID');
    RETURN _text::uuid;
END;
$specql$;
COMMENT ON FUNCTION app.to_uuid(jsonb, text) IS 'A JSON string as UUID';

-- object: function app.to_timestamp(jsonb, text)
-- drop: DROP FUNCTION app.to_timestamp(jsonb, text)
CREATE OR REPLACE FUNCTION app.to_timestamp(_value JSONB, _name TEXT)
RETURNS TIMESTAMPTZ
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
DECLARE
    _what CONSTANT TEXT := 'a point in time as in 2026-01-31T12:00:00Z';
    _text CONSTANT TEXT := app.to_text(_value, _name);
BEGIN
    PERFORM app.expect(
        _text ~* '^[0-9]{4}-[0-9]{2}-[0-9]{2}[t ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?(z|[+-][0-9]{2}:[0-9]{2})$',
        _name, _what);
    RETURN _text::timestamptz;
EXCEPTION
    WHEN invalid_datetime_format OR datetime_field_overflow OR invalid_time_zone_displacement_value THEN
        PERFORM app.expect(FALSE, _name, _what);
        RETURN NULL;
END;
$specql$;
COMMENT ON FUNCTION app.to_timestamp(jsonb, text) IS 'A JSON string in the form of RFC 3339 as timestamptz';

-- object: function app.to_date(jsonb, text)
-- drop: DROP FUNCTION app.to_date(jsonb, text)
CREATE OR REPLACE FUNCTION app.to_date(_value JSONB, _name TEXT)
RETURNS DATE
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
DECLARE
    _what CONSTANT TEXT := 'a date as in 2026-01-31';
    _text CONSTANT TEXT := app.to_text(_value, _name);
BEGIN
    PERFORM app.expect(_text ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$', _name, _what);
    RETURN _text::date;
EXCEPTION
    WHEN invalid_datetime_format OR datetime_field_overflow THEN
        PERFORM app.expect(FALSE, _name, _what);
        RETURN NULL;
END;
$specql$;
COMMENT ON FUNCTION app.to_date(jsonb, text) IS 'A JSON string as date';

-- object: function app.to_array(jsonb, text)
-- drop: DROP FUNCTION app.to_array(jsonb, text)
CREATE OR REPLACE FUNCTION app.to_array(_value JSONB, _name TEXT)
RETURNS JSONB
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
BEGIN
    PERFORM app.expect(jsonb_typeof(_value) IN ('array', 'null'), _name, 'a list');
    RETURN app.to_json(_value);
END;
$specql$;
COMMENT ON FUNCTION app.to_array(jsonb, text) IS 'A JSON array';

-- object: function app.all_match(text[], text)
-- drop: DROP FUNCTION app.all_match(text[], text)
CREATE OR REPLACE FUNCTION app.all_match(_items TEXT[], _pattern TEXT)
RETURNS BOOLEAN
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
SELECT bool_and(i.item ~ _pattern) FROM unnest(_items) AS i(item);
$specql$;
COMMENT ON FUNCTION app.all_match(text[], text) IS
    'Whether every item matches a regular expression: for CHECKs, which cannot hold a subquery';

-- object: function app.known_key(integer, uuid, text)
-- drop: DROP FUNCTION app.known_key(integer, uuid, text)
CREATE OR REPLACE FUNCTION app.known_key(_pk INTEGER, _id UUID, _name TEXT)
RETURNS INTEGER
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
BEGIN
    IF _pk IS NULL AND _id IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SQ001',
            MESSAGE = 'validation:unknown_' || _name,
            DETAIL = format('%s names a row that does not exist', _name);
    END IF;
    RETURN _pk;
END;
$specql$;
COMMENT ON FUNCTION app.known_key(integer, uuid, text) IS
    'The key that was looked up by a public id, or validation:unknown_<name> when there was none';

-- object: function app.known_key(bigint, uuid, text)
-- drop: DROP FUNCTION app.known_key(bigint, uuid, text)
CREATE OR REPLACE FUNCTION app.known_key(_pk BIGINT, _id UUID, _name TEXT)
RETURNS BIGINT
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
BEGIN
    IF _pk IS NULL AND _id IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SQ001',
            MESSAGE = 'validation:unknown_' || _name,
            DETAIL = format('%s names a row that does not exist', _name);
    END IF;
    RETURN _pk;
END;
$specql$;
COMMENT ON FUNCTION app.known_key(bigint, uuid, text) IS
    'The key that was looked up by a public id, or validation:unknown_<name> when there was none';
