-- The changes of the model after a time, newest first, of the tables whose rows `load_model_at` undoes.
-- No index: a model changes some times a day, and all its changes are a few thousand rows.
SELECT kind, key, action, difference::text
FROM model_change
WHERE changed_at > %(at)s AND kind = ANY(%(kinds)s)
ORDER BY version DESC, id DESC
LIMIT %(limit)s;
