-- The newest version of every maintenance window, also of deleted ones, by id.
-- maintenance_window_pkey gives the order; reads all versions.
SELECT DISTINCT ON (id) id, version, content::text AS content, deleted, origin, changed_by, changed_at,
    folder_digest
FROM maintenance_window
ORDER BY id, version DESC;
