-- The bytes of quarantine in all, and of some feeds and devices; locks them for the transaction, in order.
-- quarantine_usage_pkey.
SELECT scope, bytes FROM quarantine_usage WHERE scope = ANY(%s::text[]) ORDER BY scope FOR UPDATE;
