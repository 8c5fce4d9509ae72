-- Create or change an observed property of the city.
-- observed_property_pkey.
INSERT INTO observed_property (
    name, unit, theme, minimum, maximum, combination, aggregation, quality, retention, roll_up,
    wraps_at, coverage_min, age_max, active
)
VALUES (
    %(name)s, %(unit)s, %(theme)s, %(minimum)s, %(maximum)s, %(combination)s, %(aggregation)s,
    %(quality)s::jsonb, %(retention)s::jsonb, %(roll_up)s, %(wraps_at)s, %(coverage_min)s,
    %(age_max)s * interval '1 microsecond', %(active)s
)
ON CONFLICT (name) DO UPDATE
SET unit = excluded.unit, theme = excluded.theme, minimum = excluded.minimum, maximum = excluded.maximum,
    combination = excluded.combination, aggregation = excluded.aggregation, quality = excluded.quality,
    retention = excluded.retention, roll_up = excluded.roll_up, wraps_at = excluded.wraps_at,
    coverage_min = excluded.coverage_min, age_max = excluded.age_max, active = excluded.active;
