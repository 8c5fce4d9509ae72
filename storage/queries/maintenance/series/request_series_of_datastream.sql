-- Request the derived series of a datastream's entity again in a range whose windows have changed in storage.
-- datastream_pkey and series_repair_request_pkey; log_position_pkey.
--
-- The offset tells how far the windows are stored that are changed here.
INSERT INTO series_repair_request AS stored (log_id, entity_id, name, day, partition, log_offset)
SELECT '', datastream.entity_id, '', day, 0, reached.log_offset
FROM datastream
CROSS JOIN generate_series(
    date_trunc('day', %(start)s::timestamptz, 'UTC'), %(end)s::timestamptz, interval '1 day'
) AS day
CROSS JOIN (
    SELECT coalesce(max(next_offset), 0) - 1 AS log_offset
    FROM log_position
    WHERE topic = %(windows)s
        AND log_id = (SELECT log_id FROM log_position ORDER BY updated_at DESC LIMIT 1)
) AS reached
WHERE datastream.id = %(datastream)s
ON CONFLICT (entity_id, name, day) DO UPDATE
SET requests = stored.requests + 1, requested_at = now(),
    log_offset = CASE stored.log_id WHEN '' THEN excluded.log_offset ELSE stored.log_offset END;
