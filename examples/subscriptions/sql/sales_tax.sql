-- The tax on a net amount, by the rate that holds in the country on the day; no tax where no rate is listed.
SELECT round(net * coalesce((
    SELECT rates.percent
    FROM (VALUES
        ('DE', DATE '2007-01-01', 19.0),
        ('DE', DATE '2020-07-01', 16.0),
        ('DE', DATE '2021-01-01', 19.0),
        ('EE', DATE '2009-07-01', 20.0),
        ('EE', DATE '2024-01-01', 22.0),
        ('EE', DATE '2025-07-01', 24.0),
        ('FI', DATE '2013-01-01', 24.0),
        ('FI', DATE '2024-09-01', 25.5),
        ('FR', DATE '2014-01-01', 20.0)
    ) AS rates (country, since, percent)
    WHERE rates.country = sales_tax.country AND rates.since <= sales_tax.day
    ORDER BY rates.since DESC
    LIMIT 1
), 0) / 100, 2)
