-- The state of every datastream, by id.
-- No index: reads the whole table, once at each start.
SELECT datastream_id, phenomenon_time, received_time, value, flags FROM datastream_state ORDER BY datastream_id;
