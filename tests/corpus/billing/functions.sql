CREATE FUNCTION billing.masked_iban(iban TEXT) RETURNS TEXT
LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce(left(iban, 4) || ' … ' || right(iban, 4), 'unknown') $$;
