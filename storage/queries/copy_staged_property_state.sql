-- Stage updates.
-- No index: an append.
COPY staged_property_state (
    entity_id, property, revision, value, phenomenon_time, received_time, flags, datastream_ids
)
FROM STDIN (FORMAT BINARY);
