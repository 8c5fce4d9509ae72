-- Create a role that may do nothing yet and cannot log in.
-- No index: a definition.
CREATE ROLE {role} NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
