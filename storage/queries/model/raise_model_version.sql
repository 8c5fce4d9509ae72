-- Raise the version of the city's model by one.
-- No index: the one row.
UPDATE city SET model_version = model_version + 1
WHERE id = %(city)s
RETURNING model_version;
