-- Collect the planner's statistics of a restored database.
-- No index: reads samples of all tables.
ANALYZE;
