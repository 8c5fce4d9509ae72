-- Withdraw an override; returns no row if it does not exist or was withdrawn before.
-- duty_override_id_key.
UPDATE duty_override SET withdrawn_at = now(), withdrawn_by = %(by)s
WHERE id = %(id)s AND withdrawn_at IS NULL
RETURNING id, team, contact, start, "end", note, made_by, made_at, withdrawn_by, withdrawn_at;
