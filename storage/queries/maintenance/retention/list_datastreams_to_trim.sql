-- Those of some datastreams with rows before their own limits: raw, of minutes or of hours.
-- observation_key, aggregate_minute_key, aggregate_ten_minutes_key and aggregate_hour_key, one step each.
SELECT asked.id
FROM unnest(
    %(datastreams)s::integer[], %(raws)s::timestamptz[], %(minutes)s::timestamptz[], %(hours)s::timestamptz[]
) AS asked (id, raw, minute, hour)
WHERE EXISTS (SELECT FROM observation WHERE datastream_id = asked.id AND phenomenon_time < asked.raw)
    OR EXISTS (SELECT FROM aggregate_minute WHERE datastream_id = asked.id AND start < asked.minute)
    OR EXISTS (SELECT FROM aggregate_ten_minutes WHERE datastream_id = asked.id AND start < asked.minute)
    OR EXISTS (SELECT FROM aggregate_hour WHERE datastream_id = asked.id AND start < asked.hour);
