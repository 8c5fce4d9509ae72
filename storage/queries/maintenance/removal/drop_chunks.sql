-- Drop the chunks of a hypertable that end before a time, with the rights of its owner.
-- No index: a chunk is a table.
SELECT drop_chunks_before(%s::regclass, %s::timestamptz);
