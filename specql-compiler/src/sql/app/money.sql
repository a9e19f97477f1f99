-- object: function app.minor_units(numeric, text)
-- drop: DROP FUNCTION app.minor_units(numeric, text)
CREATE OR REPLACE FUNCTION app.minor_units(_amount NUMERIC, _currency TEXT)
RETURNS BIGINT
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $specql$
DECLARE
    _exponent INTEGER;
    _units NUMERIC;
BEGIN
    IF _amount IS NULL OR _currency IS NULL THEN
        RETURN NULL;
    END IF;
    -- ISO 4217; whatever is not listed has two decimals.
    _exponent := CASE
        WHEN _currency IN (
            'BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF',
            'XPF') THEN 0
        WHEN _currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 3
        WHEN _currency IN ('CLF', 'UYW') THEN 4
        ELSE 2
    END;
    _units := _amount * power(10::numeric, _exponent);
    -- Money is never rounded behind anybody's back.
    IF _units <> trunc(_units) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SQ001',
            MESSAGE = 'validation:fraction_of_minor_unit',
            DETAIL = format('%s %s is not a whole number of the currency''s smallest unit', _amount, _currency);
    END IF;
    RETURN _units::bigint;
END;
$specql$;
COMMENT ON FUNCTION app.minor_units(numeric, text) IS
    'An amount in the smallest unit of its currency: 19.99 EUR are 1999, 500 JPY are 500';
