-- Whether the last digit of an ISIN is the one that the others ask for (Luhn's sum over the digits of all characters).
WITH expanded AS (
    SELECT string_agg(CASE WHEN c ~ '[A-Z]' THEN (ascii(c) - 55)::text ELSE c END, '' ORDER BY place) AS digits
    FROM regexp_split_to_table(isin, '') WITH ORDINALITY AS t (c, place)),
summed AS (
    SELECT d::integer * CASE WHEN (length(digits) - place) % 2 = 1 THEN 2 ELSE 1 END AS n
    FROM expanded, regexp_split_to_table(digits, '') WITH ORDINALITY AS t (d, place))
SELECT sum(n / 10 + n % 10) % 10 = 0 FROM summed
