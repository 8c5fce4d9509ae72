-- The city of this database with the version of its model; no row before the first apply.
-- No index: reads the one row.
SELECT id, name, timezone, model_version FROM city;
