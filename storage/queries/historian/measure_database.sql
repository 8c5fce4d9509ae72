-- The size of the database on disk, in bytes.
-- No index: the sizes of its files.
SELECT pg_database_size(current_database());
