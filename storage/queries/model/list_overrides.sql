-- The overrides in force that ended less than a time ago, in microseconds, in the order of their creation.
-- duty_override_by_end; the few rows are sorted afterwards.
SELECT id, team, contact, start, "end", note, made_by, made_at, withdrawn_by, withdrawn_at
FROM duty_override
WHERE withdrawn_at IS NULL AND "end" > now() - %(over_since)s * interval '1 microsecond'
ORDER BY number;
