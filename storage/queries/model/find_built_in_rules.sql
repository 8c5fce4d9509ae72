-- The digests of the built-in quality rules that judged the history, by property; null: those of an unknown version.
-- No index: reads the one row.
SELECT built_in_rules FROM city;
