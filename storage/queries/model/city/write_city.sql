-- Create or change the city, and set the version of its model.
-- city_pkey.
INSERT INTO city (id, name, timezone, model_version, site, sensor_register, files)
VALUES (
    %(id)s, %(name)s, %(timezone)s, %(model_version)s, %(site)s::jsonb, %(sensor_register)s::jsonb, %(files)s::jsonb
)
ON CONFLICT (id) DO UPDATE
SET name = excluded.name, timezone = excluded.timezone, model_version = excluded.model_version,
    site = excluded.site, sensor_register = excluded.sensor_register, files = excluded.files;
