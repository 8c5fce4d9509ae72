-- Create or change the city, and set the version of its model.
-- city_pkey.
INSERT INTO city (id, name, timezone, model_version)
VALUES (%(id)s, %(name)s, %(timezone)s, %(model_version)s)
ON CONFLICT (id) DO UPDATE
SET name = excluded.name, timezone = excluded.timezone, model_version = excluded.model_version;
