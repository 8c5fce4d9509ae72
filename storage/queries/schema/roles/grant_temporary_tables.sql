-- Let a role create temporary tables.
-- No index: a definition.
GRANT TEMPORARY ON DATABASE {database} TO {role};
