-- Take from everybody the right to create tables, and to call functions that run with the rights of the owner.
-- No index: a definition.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION
    count_quarantine_deleted(), count_quarantine_inserted(), count_quarantine_updated(),
    drop_chunks_before(regclass, timestamptz)
FROM PUBLIC;
