-- Observations of datastreams in a half-open range, in no order: a row each, its columns strings of binary values.
-- observation_key, or chunks as a whole where most of their datastreams are asked for.
--
-- A client then has arrays without an object, or a message, a row: 4.3 million rows are read in seconds.
SELECT datastream_id,
    string_agg(timestamptz_send(phenomenon_time), ''::bytea),
    string_agg(timestamptz_send(received_time), ''::bytea),
    string_agg(float8send(value), ''::bytea),
    string_agg(int2send(flags), ''::bytea)
FROM observation
WHERE datastream_id = ANY(%(datastreams)s::integer[])
    AND phenomenon_time >= %(start)s
    AND phenomenon_time < %(end)s
GROUP BY datastream_id;
