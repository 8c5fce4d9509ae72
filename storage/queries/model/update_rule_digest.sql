-- Store the digest of a rule in the city folder whose content is unchanged.
-- rule_pkey.
UPDATE rule SET folder_digest = %(folder_digest)s
WHERE id = %(id)s AND version = %(version)s;
