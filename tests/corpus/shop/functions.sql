-- The shop's own functions, as `functions:` of its entities declares them.
CREATE FUNCTION catalog.gross_price(net NUMERIC, vat NUMERIC) RETURNS NUMERIC
LANGUAGE sql IMMUTABLE AS $$ SELECT round(net * (1 + vat / 100), 2) $$;
