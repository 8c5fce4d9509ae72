-- The overrides that count and are not over for longer than some microseconds, in the order in which they were made.
-- duty_override_by_end finds them; few, and sorted afterwards.
SELECT id, team, contact, start, "end", note, made_by, made_at, withdrawn_by, withdrawn_at
FROM duty_override
WHERE withdrawn_at IS NULL AND "end" > now() - %(over_since)s * interval '1 microsecond'
ORDER BY number;
