-- Let TimescaleDB work again.
-- No index: a function of the extension.
SELECT timescaledb_post_restore();
