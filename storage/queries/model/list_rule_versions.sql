-- The versions of a rule before one of them, newest first.
-- rule_pkey.
SELECT id, version, content::text AS content, deleted, origin, changed_by, changed_at, folder_digest
FROM rule
WHERE id = %(id)s AND version < %(before)s
ORDER BY version DESC
LIMIT %(limit)s;
