-- Request the derived series of a datastream's entity again in a range whose windows have changed in storage.
-- datastream_pkey and series_repair_request_pkey.
INSERT INTO series_repair_request AS stored (log_id, entity_id, name, day, partition, log_offset)
SELECT '', datastream.entity_id, '', day, 0, -1
FROM datastream
CROSS JOIN generate_series(
    date_trunc('day', %(start)s::timestamptz, 'UTC'), %(end)s::timestamptz, interval '1 day'
) AS day
WHERE datastream.id = %(datastream)s
ON CONFLICT (entity_id, name, day) DO UPDATE SET requests = stored.requests + 1, requested_at = now();
