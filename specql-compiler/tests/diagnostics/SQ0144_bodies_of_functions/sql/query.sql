-- ü
SELECT 1
