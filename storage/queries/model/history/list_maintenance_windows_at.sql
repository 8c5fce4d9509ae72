-- The maintenance windows that were known at a time, each as its version of then, by id.
-- maintenance_window_pkey gives the order; reads all versions.
SELECT content
FROM (
    SELECT DISTINCT ON (id) id, content::text AS content, deleted
    FROM maintenance_window
    WHERE changed_at <= %(at)s
    ORDER BY id, version DESC
) AS known
WHERE NOT deleted
ORDER BY id;
