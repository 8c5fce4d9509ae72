-- Limit the time of each statement of this transaction, in milliseconds.
-- No index: a setting.
SELECT set_config('statement_timeout', %s, true);
