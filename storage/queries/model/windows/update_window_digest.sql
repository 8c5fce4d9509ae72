-- Store the digest of a maintenance window in the city folder whose content is unchanged.
-- maintenance_window_pkey.
UPDATE maintenance_window SET folder_digest = %(folder_digest)s
WHERE id = %(id)s AND version = %(version)s;
