SELECT 1,
  ''
