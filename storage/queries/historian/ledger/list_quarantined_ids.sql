-- Those of some quarantined messages that are stored.
-- quarantine_pkey.
SELECT id FROM quarantine WHERE id = ANY(%s::text[]);
