-- Store since when rows of datastreams are kept; each time only advances, and an absent one stays.
-- datastream_retention_pkey.
INSERT INTO datastream_retention AS stored (datastream_id, complete_to, raw_from, minute_from, hour_from)
SELECT id, %(complete_to)s::timestamptz, %(raw_from)s::timestamptz,
    %(minute_from)s::timestamptz, %(hour_from)s::timestamptz
FROM unnest(%(datastreams)s::integer[]) AS one (id)
ON CONFLICT (datastream_id) DO UPDATE
SET complete_to = greatest(stored.complete_to, excluded.complete_to),
    raw_from = greatest(stored.raw_from, excluded.raw_from),
    minute_from = greatest(stored.minute_from, excluded.minute_from),
    hour_from = greatest(stored.hour_from, excluded.hour_from);
