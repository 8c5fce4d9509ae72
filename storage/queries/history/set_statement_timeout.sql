-- Bound how long a statement of this transaction may take, in milliseconds.
-- No index: a setting.
SELECT set_config('statement_timeout', %s, true);
