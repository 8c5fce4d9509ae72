-- The rights of some roles on tables and on their columns.
-- No index: catalogs.
SELECT grantee.rolname, stored.relname, granted.privilege_type, ''
FROM pg_class AS stored
CROSS JOIN LATERAL aclexplode(stored.relacl) AS granted
JOIN pg_roles AS grantee ON grantee.oid = granted.grantee
WHERE stored.relnamespace = 'public'::regnamespace AND stored.relkind IN ('r', 'p') AND grantee.rolname = ANY(%(roles)s::text[])
UNION ALL
SELECT grantee.rolname, stored.relname, granted.privilege_type, attribute.attname
FROM pg_class AS stored
JOIN pg_attribute AS attribute ON attribute.attrelid = stored.oid AND NOT attribute.attisdropped
CROSS JOIN LATERAL aclexplode(attribute.attacl) AS granted
JOIN pg_roles AS grantee ON grantee.oid = granted.grantee
WHERE stored.relnamespace = 'public'::regnamespace AND stored.relkind IN ('r', 'p') AND grantee.rolname = ANY(%(roles)s::text[]);
