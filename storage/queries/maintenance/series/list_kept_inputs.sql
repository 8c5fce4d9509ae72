-- Since when single values, windows of minutes and windows of hours of datastreams are kept; NULL: all are.
-- datastream_retention_pkey.
SELECT datastream_id, raw_from, minute_from, hour_from
FROM datastream_retention
WHERE datastream_id = ANY(%(datastreams)s::integer[]);
