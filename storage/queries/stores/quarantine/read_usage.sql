-- The bytes of quarantine, the messages of which it has the head only, and those that are only counted.
-- quarantine_usage_pkey and quarantine_limited_pkey.
SELECT usage.bytes, limited.heads, limited.counted
FROM quarantine_usage AS usage CROSS JOIN quarantine_limited AS limited
WHERE usage.scope = 'all' AND limited.alone;
