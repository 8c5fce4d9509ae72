-- Let a role log in with the password of a verifier.
-- No index: a definition.
ALTER ROLE {role} LOGIN PASSWORD {verifier};
