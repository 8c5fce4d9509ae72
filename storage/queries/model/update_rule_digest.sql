-- Note what the city folder says of a rule that is so already.
-- rule_pkey.
UPDATE rule SET folder_digest = %(folder_digest)s
WHERE id = %(id)s AND version = %(version)s;
