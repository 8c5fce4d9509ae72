-- Whether the server has a role.
-- No index of ours: a catalog.
SELECT 1 FROM pg_roles WHERE rolname = %s;
