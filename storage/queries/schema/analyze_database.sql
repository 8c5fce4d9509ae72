-- Learn how the values of a restored database are spread.
-- No index: reads samples of all tables.
ANALYZE;
