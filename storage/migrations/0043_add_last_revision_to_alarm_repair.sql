-- A repair of an alarm looks at no event that was stored after it was determined how far the log must be stored before:
-- what such an event follows from may not be stored yet. 0: the alarm has no event. NULL: not determined yet.
ALTER TABLE alarm_repair_request ADD COLUMN IF NOT EXISTS last_revision bigint;
