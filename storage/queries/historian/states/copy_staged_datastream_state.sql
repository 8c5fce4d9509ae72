-- Stage datastream states.
-- No index: an append.
COPY staged_datastream_state (datastream_id, phenomenon_time, received_time, value, flags, revision)
FROM STDIN (FORMAT BINARY);
