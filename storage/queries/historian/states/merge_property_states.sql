-- Store staged updates whose revision is greater; ordered, so that two writers do not deadlock.
-- property_state_pkey.
INSERT INTO property_state AS stored (
    entity_id, property, revision, value, phenomenon_time, received_time, flags, datastream_ids, kind,
    last_good_value, last_good_time, deviating, count, members, members_expected, preliminary
)
SELECT entity_id, property, revision, value, phenomenon_time, received_time, flags, datastream_ids, kind,
    last_good_value, last_good_time, deviating, count, members, members_expected, preliminary
FROM staged_property_state
ORDER BY entity_id, property
ON CONFLICT (entity_id, property) DO UPDATE
SET revision = excluded.revision, value = excluded.value, phenomenon_time = excluded.phenomenon_time,
    received_time = excluded.received_time, flags = excluded.flags, datastream_ids = excluded.datastream_ids,
    kind = excluded.kind, last_good_value = excluded.last_good_value, last_good_time = excluded.last_good_time,
    deviating = excluded.deviating, count = excluded.count,
    members = excluded.members, members_expected = excluded.members_expected,
    preliminary = excluded.preliminary
WHERE excluded.revision > stored.revision;
