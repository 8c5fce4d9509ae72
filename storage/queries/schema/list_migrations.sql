-- Every applied migration with its checksum.
-- No index: reads the whole small table.
SELECT name, checksum FROM schema_migration;
