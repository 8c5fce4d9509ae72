-- The time of the newest stored state of datastreams.
-- datastream_state_pkey.
SELECT datastream_id, phenomenon_time FROM datastream_state WHERE datastream_id = ANY(%(datastreams)s::integer[]);
