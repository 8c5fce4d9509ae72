-- Create or change a datastream; the interval is in microseconds. A new one gets the next id.
-- datastream_sensor_id_property_entity_id_key.
INSERT INTO datastream (sensor_id, entity_id, property, field, unit, scale, "offset", interval, valid_when, active)
VALUES (
    %(sensor)s, %(entity)s, %(property)s, %(field)s, %(unit)s, %(scale)s, %(offset)s,
    %(interval)s * interval '1 microsecond', %(valid_when)s::jsonb, %(active)s
)
ON CONFLICT (sensor_id, property, entity_id) DO UPDATE
SET field = excluded.field, unit = excluded.unit, scale = excluded.scale, "offset" = excluded."offset",
    interval = excluded.interval, valid_when = excluded.valid_when, active = excluded.active,
    retired_at = CASE WHEN excluded.active THEN NULL ELSE now() END;
