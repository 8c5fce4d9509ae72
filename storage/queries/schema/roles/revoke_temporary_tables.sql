-- Take from everybody the right to create temporary tables.
-- No index: a definition.
REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC;
