-- The versions of TimescaleDB that the server offers.
-- No index: files of the server.
SELECT version FROM pg_available_extension_versions WHERE name = 'timescaledb' ORDER BY version;
