-- The size of the database on the disk, bytes.
-- No index: the sizes of its files.
SELECT pg_database_size(current_database());
