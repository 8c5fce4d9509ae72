-- Give the model of the city its next version.
-- No index: the one row.
UPDATE city SET model_version = model_version + 1
WHERE id = %(city)s
RETURNING model_version;
