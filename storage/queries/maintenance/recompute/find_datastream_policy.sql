-- Property and interval of a datastream, also of a retired one, and since when its single observations are kept.
-- datastream_pkey and datastream_retention_pkey.
SELECT datastream.property, (extract(epoch FROM datastream.interval) * 1000000)::bigint, kept.raw_from
FROM datastream
LEFT JOIN datastream_retention AS kept ON kept.datastream_id = datastream.id
WHERE datastream.id = %s;
