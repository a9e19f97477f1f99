-- Shapes of JSONB values: composites, and lists of what is no array in SQL. A shape is one of
--   {"is": <type>, "pattern", "least", "most", "precision", "scale", "words"}
--   {"one_of": [<text>, …]}   {"each": <shape>}   {"members": {<name>: <shape>}, "names": […], "required": […]}

-- object: function app.to_shape(jsonb, text, jsonb)
-- drop: DROP FUNCTION app.to_shape(jsonb, text, jsonb)
CREATE OR REPLACE FUNCTION app.to_shape(_value JSONB, _name TEXT, _shape JSONB)
RETURNS JSONB
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
DECLARE
    _wrong TEXT;
    _number NUMERIC;
BEGIN
    IF coalesce(jsonb_typeof(_value), 'null') = 'null' THEN
        RETURN NULL;
    END IF;

    IF _shape ? 'each' THEN
        PERFORM app.expect(jsonb_typeof(_value) = 'array', _name, 'a list');
        SELECT format('%s[%s]', _name, e.position - 1) INTO _wrong
        FROM jsonb_array_elements(_value) WITH ORDINALITY AS e(value, position)
        WHERE e.value = 'null'::jsonb
        LIMIT 1;
        PERFORM app.expect(_wrong IS NULL, coalesce(_wrong, _name), 'not null');
        RETURN (
            SELECT coalesce(
                jsonb_agg(
                    app.to_shape(e.value, format('%s[%s]', _name, e.position - 1), _shape -> 'each')
                    ORDER BY e.position),
                '[]'::jsonb)
            FROM jsonb_array_elements(_value) WITH ORDINALITY AS e(value, position)
        );
    END IF;

    IF _shape ? 'members' THEN
        PERFORM app.expect(jsonb_typeof(_value) = 'object', _name, 'an object');
        SELECT k.name INTO _wrong
        FROM jsonb_object_keys(_value) AS k(name)
        WHERE NOT (_shape -> 'members') ? k.name
        ORDER BY k.name
        LIMIT 1;
        PERFORM app.expect(
            _wrong IS NULL,
            _name,
            format(
                'an object of %s; it has %s besides',
                (SELECT string_agg(n.name, ', ') FROM jsonb_array_elements_text(_shape -> 'names') AS n(name)),
                left(_wrong, 63)));
        SELECT r.name INTO _wrong
        FROM jsonb_array_elements_text(_shape -> 'required') WITH ORDINALITY AS r(name, position)
        WHERE coalesce(jsonb_typeof(_value -> r.name), 'null') = 'null'
        ORDER BY r.position
        LIMIT 1;
        PERFORM app.expect(_wrong IS NULL, format('%s.%s', _name, _wrong), 'given');
        -- A member without a value is left out.
        RETURN (
            SELECT coalesce(jsonb_object_agg(m.name, m.value) FILTER (WHERE m.value IS NOT NULL), '{}'::jsonb)
            FROM (
                SELECT s.name, app.to_shape(_value -> s.name, format('%s.%s', _name, s.name), s.shape) AS value
                FROM jsonb_each(_shape -> 'members') AS s(name, shape)
            ) AS m
        );
    END IF;

    IF _shape ? 'one_of' THEN
        PERFORM app.expect(
            jsonb_typeof(_value) = 'string' AND _shape -> 'one_of' @> _value,
            _name,
            format(
                'one of %s',
                (SELECT string_agg(o.word, ', ') FROM jsonb_array_elements_text(_shape -> 'one_of') AS o(word))));
        RETURN _value;
    END IF;

    CASE _shape ->> 'is'
        WHEN 'text' THEN
            PERFORM app.expect(
                app.to_text(_value, _name) ~ (_shape ->> 'pattern'), _name, coalesce(_shape ->> 'words', 'a text'));
        WHEN 'integer' THEN
            RETURN to_jsonb(app.to_integer(_value, _name));
        WHEN 'bigint' THEN
            RETURN to_jsonb(app.to_bigint(_value, _name)::text);
        WHEN 'float' THEN
            PERFORM app.to_float(_value, _name);
        WHEN 'boolean' THEN
            PERFORM app.to_boolean(_value, _name);
        WHEN 'decimal' THEN
            _number := app.to_decimal(_value, _name, (_shape ->> 'precision')::integer, (_shape ->> 'scale')::integer);
            PERFORM app.expect(
                _number >= coalesce((_shape ->> 'least')::numeric, _number)
                AND _number <= coalesce((_shape ->> 'most')::numeric, _number),
                _name,
                concat(
                    _shape ->> 'words',
                    ' of at least ' || (_shape ->> 'least'),
                    ' and at most ' || (_shape ->> 'most')));
            RETURN to_jsonb(_number::text);
        WHEN 'timestamp' THEN
            PERFORM app.to_timestamp(_value, _name);
        WHEN 'date' THEN
            PERFORM app.to_date(_value, _name);
        WHEN 'time' THEN
            PERFORM app.to_time(_value, _name);
        WHEN 'duration' THEN
            PERFORM app.to_duration(_value, _name);
        WHEN 'uuid' THEN
            RETURN to_jsonb(app.to_uuid(_value, _name));
        WHEN 'inet' THEN
            RETURN to_jsonb(app.to_inet(_value, _name));
        WHEN 'macaddr' THEN
            RETURN to_jsonb(app.to_macaddr(_value, _name));
        WHEN 'point' THEN
            PERFORM app.to_point(_value, _name);
        ELSE
            -- Any JSON.
            NULL;
    END CASE;
    RETURN _value;
END;
$specql$;
COMMENT ON FUNCTION app.to_shape(jsonb, text, jsonb) IS
    'A JSON value of a shape in its one form: numbers that a reader could round as text, no nulls. Else validation:invalid_<name>';

-- object: function app.fits_shape(jsonb, jsonb)
-- drop: DROP FUNCTION app.fits_shape(jsonb, jsonb)
CREATE OR REPLACE FUNCTION app.fits_shape(_value JSONB, _shape JSONB)
RETURNS BOOLEAN
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
BEGIN
    -- Nothing in a shape depends on a setting, though dates are read by functions that could.
    RETURN _value IS NULL OR app.to_shape(_value, 'value', _shape) IS NOT NULL;
EXCEPTION
    WHEN SQLSTATE 'SQ001' THEN
        RETURN FALSE;
END;
$specql$;
COMMENT ON FUNCTION app.fits_shape(jsonb, jsonb) IS 'Whether a value has a shape: for CHECKs';
