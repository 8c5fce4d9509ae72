-- Give a role one right on a table, or on a column of it.
-- No index: a definition.
GRANT {privilege}{columns} ON {table} TO {role};
