-- Take one right on a table, or on a column of it, from a role.
-- No index: a definition.
REVOKE {privilege}{columns} ON {table} FROM {role};
