-- Store an override of a team's duty.
-- No index: an append.
INSERT INTO duty_override (team, contact, start, "end", note, made_by)
VALUES (%(team)s, %(contact)s, %(start)s, %(end)s, %(note)s, %(made_by)s)
RETURNING id, team, contact, start, "end", note, made_by, made_at, withdrawn_by, withdrawn_at;
