-- Time-partitioned tables and time_bucket(). Needs shared_preload_libraries = 'timescaledb' and a superuser,
-- or an administrator who created the extension before.
CREATE EXTENSION IF NOT EXISTS timescaledb;
