-- The newest version of every rule, also of deleted ones, by id.
-- rule_pkey gives the order; reads all versions.
SELECT DISTINCT ON (id) id, version, content::text AS content, deleted, origin, changed_by, changed_at,
    folder_digest
FROM rule
ORDER BY id, version DESC;
