-- Model data of datastreams, and since when their rows are kept, by id; unknown ids have an empty row.
-- datastream_pkey, datastream_retention_pkey, repair_request_pkey and recompute_request_is_open.
SELECT asked.id, coalesce((extract(epoch FROM datastream.interval) * 1000000)::bigint, 0) AS interval,
    datastream.created_at, datastream.retired_at,
    kept.raw_from, kept.minute_from, kept.hour_from,
    least(
        kept.complete_to,
        (SELECT min(start) FROM repair_request WHERE datastream_id = asked.id),
        (
            SELECT min(start)
            FROM recompute_request
            WHERE done_at IS NULL
                AND sensor_id = datastream.sensor_id
                AND coalesce(property = datastream.property, true)
        )
    ) AS complete_to,
    kept.complete_to IS NOT NULL AS is_complete
FROM unnest(%(datastreams)s::integer[]) AS asked (id)
LEFT JOIN datastream ON datastream.id = asked.id
LEFT JOIN datastream_retention AS kept ON kept.datastream_id = asked.id
ORDER BY asked.id;
