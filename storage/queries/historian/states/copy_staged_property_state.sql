-- Stage updates.
-- No index: an append.
COPY staged_property_state (
    entity_id, property, revision, value, phenomenon_time, received_time, flags, datastream_ids, kind,
    last_good_value, last_good_time, deviating, count,
    members, members_expected, preliminary
)
FROM STDIN (FORMAT BINARY);
