-- Which of some roles have powers beyond rights on tables, or are members of other roles.
-- No index: catalogs.
SELECT role.rolname, 'a superuser'
FROM pg_roles AS role
WHERE role.rolname = ANY(%(roles)s::text[]) AND role.rolsuper
UNION ALL
SELECT role.rolname, 'allowed to create roles or databases, to replicate, or to bypass row security'
FROM pg_roles AS role
WHERE role.rolname = ANY(%(roles)s::text[])
    AND (role.rolcreaterole OR role.rolcreatedb OR role.rolreplication OR role.rolbypassrls)
UNION ALL
SELECT role.rolname, 'a member of ' || parent.rolname
FROM pg_roles AS role
JOIN pg_auth_members AS membership ON membership.member = role.oid
JOIN pg_roles AS parent ON parent.oid = membership.roleid
WHERE role.rolname = ANY(%(roles)s::text[]);
