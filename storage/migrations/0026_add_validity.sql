-- The condition under which a value of a datastream is valid: bounds of another field of the same message
-- (twin.quality.valid_when.ValidWhen). Null: no other field matters.
ALTER TABLE datastream ADD COLUMN IF NOT EXISTS valid_when jsonb;
