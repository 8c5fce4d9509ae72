-- What changed the model to a version: when, by which user of the database, and how many rows of each kind.
-- model_change_by_version.
SELECT kind, action, count(*), max(changed_at), max(changed_by)
FROM model_change
WHERE version = %s
GROUP BY kind, action
ORDER BY kind, action;
