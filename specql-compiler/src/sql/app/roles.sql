-- object: function app.warn_of_missing_role(text)
-- drop: DROP FUNCTION app.warn_of_missing_role(text)
-- Called in place of grants to a role that is not there.
CREATE OR REPLACE FUNCTION app.warn_of_missing_role(_role TEXT)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $specql$
DECLARE
    _said CONSTANT TEXT := coalesce(current_setting('specql.missing_roles', true), '');
BEGIN
    -- Once in a transaction, however many grants are left out in it.
    IF position(_role IN _said) = 0 THEN
        PERFORM set_config('specql.missing_roles', concat_ws(' ', _said, _role), true);
        RAISE WARNING 'role % is not there, and % may not create it: this migration grants it nothing; `specql migrate roles --apply`, run as a role that may create roles, makes up for it',
            _role, current_user;
    END IF;
END;
$specql$;
COMMENT ON FUNCTION app.warn_of_missing_role(text) IS
    'Says, once in a transaction, that grants to a role are left out because there is no such role';
REVOKE ALL ON FUNCTION app.warn_of_missing_role(text) FROM PUBLIC;
