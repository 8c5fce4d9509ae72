-- Request each day again in which a value of these series is stored.
-- entity_value_key, once for each series; series_repair_request_pkey.
INSERT INTO series_repair_request AS stored (log_id, entity_id, name, day, partition, log_offset)
SELECT '', series.entity_id, series.name, one.day, 0, -1
FROM unnest(%s::text[], %s::text[]) AS series (entity_id, name)
CROSS JOIN LATERAL (
    SELECT DISTINCT date_trunc('day', phenomenon_time, 'UTC') AS day
    FROM entity_value
    WHERE entity_id = series.entity_id AND name = series.name
) AS one
ON CONFLICT (entity_id, name, day) DO UPDATE SET requests = stored.requests + 1, requested_at = now();
