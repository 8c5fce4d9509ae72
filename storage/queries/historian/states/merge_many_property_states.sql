-- Store many staged updates whose revision is greater; for few, merge_property_states is faster.
-- No index: a join with the whole table.
-- Two writers may lock rows in different orders: PostgreSQL then ends one, which retries.
MERGE INTO property_state AS stored
USING staged_property_state AS staged
ON staged.entity_id = stored.entity_id AND staged.property = stored.property
WHEN MATCHED AND staged.revision > stored.revision THEN UPDATE SET
    revision = staged.revision, value = staged.value, phenomenon_time = staged.phenomenon_time,
    received_time = staged.received_time, flags = staged.flags, datastream_ids = staged.datastream_ids,
    kind = staged.kind, last_good_value = staged.last_good_value, last_good_time = staged.last_good_time,
    deviating = staged.deviating, count = staged.count,
    members = staged.members, members_expected = staged.members_expected, preliminary = staged.preliminary
WHEN NOT MATCHED THEN INSERT (
    entity_id, property, revision, value, phenomenon_time, received_time, flags, datastream_ids, kind,
    last_good_value, last_good_time, deviating, count, members, members_expected, preliminary
) VALUES (
    staged.entity_id, staged.property, staged.revision, staged.value, staged.phenomenon_time,
    staged.received_time, staged.flags, staged.datastream_ids, staged.kind, staged.last_good_value,
    staged.last_good_time, staged.deviating, staged.count, staged.members, staged.members_expected,
    staged.preliminary
);
