-- The worst severity of the occurrence of an alarm; 0: not known, of an earlier version.
ALTER TABLE alarm ADD COLUMN IF NOT EXISTS worst smallint NOT NULL DEFAULT 0;
ALTER TABLE alarm_event ADD COLUMN IF NOT EXISTS worst smallint NOT NULL DEFAULT 0;
