-- An override of a team's duty by its id, withdrawn or not.
-- duty_override_id_key.
SELECT id, team, contact, start, "end", note, made_by, made_at, withdrawn_by, withdrawn_at
FROM duty_override WHERE id = %(id)s;
