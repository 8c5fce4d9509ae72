-- Drop the chunks of a hypertable that end before a time.
-- No index: a chunk is a table.
SELECT drop_chunks(%s::regclass, older_than => %s::timestamptz);
