-- Create or change an observed property of the city.
-- observed_property_pkey.
INSERT INTO observed_property (name, unit, theme, minimum, maximum, combination, aggregation, active)
VALUES (
    %(name)s, %(unit)s, %(theme)s, %(minimum)s, %(maximum)s, %(combination)s, %(aggregation)s, %(active)s
)
ON CONFLICT (name) DO UPDATE
SET unit = excluded.unit, theme = excluded.theme, minimum = excluded.minimum, maximum = excluded.maximum,
    combination = excluded.combination, aggregation = excluded.aggregation, active = excluded.active;
