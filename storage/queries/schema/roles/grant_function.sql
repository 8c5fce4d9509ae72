-- Let a role call a function.
-- No index: a definition.
GRANT EXECUTE ON FUNCTION {function} TO {role};
