-- object: function app.success(uuid, jsonb, text[], jsonb, text, jsonb)
-- drop: DROP FUNCTION app.success(uuid, jsonb, text[], jsonb, text, jsonb)
CREATE OR REPLACE FUNCTION app.success(
    _id UUID,
    _object_data JSONB,
    _updated_fields TEXT[],
    _jobs JSONB,
    _message TEXT DEFAULT NULL,
    _returned JSONB DEFAULT NULL)
RETURNS app.mutation_result
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
DECLARE
    _metadata JSONB := jsonb_build_object('jobs', _jobs);
    _fields TEXT[];
BEGIN
    IF jsonb_array_length(_jobs) = 1 THEN
        _metadata := _metadata || jsonb_build_object('job_id', _jobs -> 0 -> 'job_id');
    END IF;
    IF _returned IS NOT NULL THEN
        _metadata := _metadata || jsonb_build_object('return', _returned);
    END IF;
    SELECT coalesce(array_agg(f.name ORDER BY f.position), ARRAY[]::text[]) INTO _fields
    FROM (
        SELECT u.name, min(u.position) AS position
        FROM unnest(_updated_fields) WITH ORDINALITY AS u(name, position)
        GROUP BY u.name
    ) AS f;
    RETURN ROW(_id, _fields, 'success', _message, _object_data, _metadata)::app.mutation_result;
END;
$specql$;
COMMENT ON FUNCTION app.success(uuid, jsonb, text[], jsonb, text, jsonb) IS
    'The answer of an action that did all its steps';

-- object: function app.failure(text, text, text, text, text)
-- drop: DROP FUNCTION app.failure(text, text, text, text, text)
CREATE OR REPLACE FUNCTION app.failure(
    _sqlstate TEXT, _message TEXT, _detail TEXT, _constraint TEXT, _column TEXT)
RETURNS app.mutation_result
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
DECLARE
    _status TEXT;
    _words TEXT;
BEGIN
    CASE
        WHEN _sqlstate = 'SQ001' THEN
            -- A step that ends the action: the message is the status, the detail is for people.
            _status := _message;
            _words := nullif(_detail, '');
        WHEN _sqlstate IN ('23505', '23P01') THEN
            _status := 'conflict:' || _constraint;
            _words := 'another row has the same value';
        WHEN _sqlstate IN ('23503', '23001') THEN
            _status := 'conflict:' || _constraint;
            _words := 'a row that another one points to must exist';
        WHEN _sqlstate = '23502' THEN
            _status := 'validation:missing_' || regexp_replace(_column, '^fk_', '');
            _words := format('%s must have a value', regexp_replace(_column, '^fk_', ''));
        WHEN _sqlstate = '23514' THEN
            _status := 'validation:' || _constraint;
            _words := 'a value is outside of what its field allows';
        WHEN _sqlstate = 'SQ404' THEN
            _status := 'failed:unknown_operation';
            _words := 'a service operation is not registered in this database; start the application''s newest version';
        WHEN _sqlstate = '22012' THEN
            _status := 'failed:division_by_zero';
            _words := 'a number was divided by zero';
        WHEN _sqlstate = '22003' THEN
            _status := 'failed:out_of_range';
            _words := 'a number is too large for its type';
        WHEN _sqlstate IN ('2201B', '22025') THEN
            _status := 'validation:invalid_pattern';
            _words := 'a pattern cannot be read';
        WHEN _sqlstate = '54000' THEN
            -- Mostly a text that is unique, or searched for, and longer than an index can hold.
            _status := 'validation:' || coalesce(nullif(_constraint, ''), 'too_large');
            _words := 'a value is larger than the database can hold';
        WHEN _sqlstate = '2200H' THEN
            _status := 'failed:out_of_keys';
            _words := 'the table has no key left for another row';
        ELSE
            -- What the database said is in the audit log, for those who may read it.
            _status := 'failed:unexpected_error';
            _words := 'an unexpected error occurred; nothing was changed';
    END CASE;
    RETURN ROW(NULL, ARRAY[]::text[], _status, _words, NULL, '{"jobs": []}'::jsonb)::app.mutation_result;
END;
$specql$;
COMMENT ON FUNCTION app.failure(text, text, text, text, text) IS
    'The answer of an action that was undone, from the error that ended it';

-- object: function app.log_mutation(text, text, uuid, uuid, app.mutation_result, text, text, text)
-- drop: DROP FUNCTION app.log_mutation(text, text, uuid, uuid, app.mutation_result, text, text, text)
CREATE OR REPLACE FUNCTION app.log_mutation(
    _action TEXT,
    _entity_type TEXT,
    _tenant_id UUID,
    _user_id UUID,
    _result app.mutation_result,
    _error_sqlstate TEXT,
    _error_message TEXT,
    _error_context TEXT)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $specql$
DECLARE
    _unexpected CONSTANT BOOLEAN := _result.status = 'failed:unexpected_error';
    _explains CONSTANT BOOLEAN := _unexpected OR _error_sqlstate IN ('22012', '22003', '2201B', '22025', '54000', '2200H');
    _pk BIGINT;
BEGIN
    INSERT INTO app.tb_mutation_audit_log (
        action, entity_type, entity_id, tenant_id, user_id, status, message, updated_fields, jobs,
        error_sqlstate, error_message, error_context)
    VALUES (
        _action, _entity_type, _result.id, _tenant_id, _user_id, _result.status, _result.message, _result.updated_fields,
        _result.extra_metadata -> 'jobs', _error_sqlstate,
        CASE WHEN _explains THEN _error_message END,
        CASE WHEN _explains THEN _error_context END)
    RETURNING pk_mutation_audit_log INTO STRICT _pk;
    IF _unexpected THEN
        -- Also in the server's log: the caller may yet roll back. The message stays out of it, it may quote values.
        RAISE LOG 'specql: action % failed with SQLSTATE %; the error is in row % of app.tb_mutation_audit_log',
            _action, _error_sqlstate, _pk;
        -- And for the client that called, until its transaction ends. Not in the answer, which may go on to end users.
        PERFORM set_config('specql.unexpected_error', jsonb_build_object(
            'sqlstate', _error_sqlstate,
            -- Of the context only what quotes nothing: the innermost function and its line.
            'place', substring(
                _error_context FROM '(?n)^PL/pgSQL function ([][[:alnum:]_.,() ]+ line [0-9]+) at [[:alpha:] ]+$'),
            'audit_row', _pk)::text, true);
    END IF;
END;
$specql$;
COMMENT ON FUNCTION app.log_mutation(text, text, uuid, uuid, app.mutation_result, text, text, text) IS
    'Writes the audit row of an action''s call';

-- object: function app.without_nulls(jsonb)
-- drop: DROP FUNCTION app.without_nulls(jsonb)
CREATE OR REPLACE FUNCTION app.without_nulls(_object JSONB)
RETURNS JSONB
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
SELECT coalesce(jsonb_object_agg(e.key, e.value), '{}'::jsonb)
FROM jsonb_each(_object) AS e(key, value)
WHERE e.value <> 'null'::jsonb;
$specql$;
COMMENT ON FUNCTION app.without_nulls(jsonb) IS
    'A service''s input without the fields that have no value, so that their defaults apply';
