-- Store many staged datastream states whose revision is greater; for few, merge_datastream_states is faster.
-- No index: a join with the whole table.
-- Two writers may lock rows in different orders: PostgreSQL then ends one, which retries.
MERGE INTO datastream_state AS stored
USING staged_datastream_state AS staged
ON staged.datastream_id = stored.datastream_id
WHEN MATCHED AND staged.revision > stored.revision THEN UPDATE SET
    phenomenon_time = staged.phenomenon_time, received_time = staged.received_time, value = staged.value,
    flags = staged.flags, revision = staged.revision
WHEN NOT MATCHED THEN INSERT (datastream_id, phenomenon_time, received_time, value, flags, revision)
VALUES (
    staged.datastream_id, staged.phenomenon_time, staged.received_time, staged.value, staged.flags,
    staged.revision
);
