-- Series whose points have changed.
-- No index: reads the whole small table.
SELECT entity_id, name, start, changes FROM changed_series ORDER BY start LIMIT %(limit)s;
