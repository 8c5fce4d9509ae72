-- Request each day again of which single values or windows of hours of entities are stored, and the day after.
-- datastream_by_entity_and_property; observation_key and aggregate_hour_key, once for each day; series_repair_request_pkey.
--
-- What is computed from a window is dated to its end.
INSERT INTO series_repair_request AS stored (log_id, entity_id, name, day, partition, log_offset)
SELECT DISTINCT '', series.entity_id, series.name, one.day + after.days * interval '1 day', 0, -1
FROM unnest(%s::text[], %s::text[]) AS series (entity_id, name)
JOIN datastream ON datastream.entity_id = series.entity_id
CROSS JOIN LATERAL (
    WITH RECURSIVE inputs (day) AS (
        SELECT date_trunc('day', least(
            (SELECT phenomenon_time FROM observation WHERE datastream_id = datastream.id ORDER BY phenomenon_time LIMIT 1),
            (SELECT start FROM aggregate_hour WHERE datastream_id = datastream.id ORDER BY start LIMIT 1)
        ), 'UTC')
        UNION ALL
        SELECT date_trunc('day', least(
            (
                SELECT phenomenon_time FROM observation
                WHERE datastream_id = datastream.id AND phenomenon_time >= inputs.day + interval '1 day'
                ORDER BY phenomenon_time LIMIT 1
            ),
            (
                SELECT start FROM aggregate_hour
                WHERE datastream_id = datastream.id AND start >= inputs.day + interval '1 day'
                ORDER BY start LIMIT 1
            )
        ), 'UTC')
        FROM inputs
        WHERE inputs.day IS NOT NULL
    )
    SELECT day FROM inputs WHERE day IS NOT NULL
) AS one
CROSS JOIN generate_series(0, 1) AS after (days)
ON CONFLICT (entity_id, name, day) DO UPDATE SET requests = stored.requests + 1, requested_at = now();
