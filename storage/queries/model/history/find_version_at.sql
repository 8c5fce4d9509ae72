-- The version that the model had at a time; NULL before its first change.
-- No index: a model changes some times a day, and all its changes are a few thousand rows.
SELECT max(version) FROM model_change WHERE changed_at <= %(at)s;
