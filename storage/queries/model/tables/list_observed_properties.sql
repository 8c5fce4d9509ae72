-- Every observed property that the city defines or redefines, active or not, by name.
-- observed_property_pkey gives the order; reads the whole table.
SELECT name, unit, theme, minimum, maximum, combination, aggregation, quality, retention, roll_up,
    wraps_at, coverage_min, (extract(epoch FROM age_max) * 1000000)::bigint AS age_max, active
FROM observed_property
ORDER BY name;
