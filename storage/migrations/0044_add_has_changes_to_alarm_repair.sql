-- Whether a request joins one for points that were changed in storage. What the alarm stage has of them may then be
-- wrong, also what is newer than its own request.
ALTER TABLE alarm_repair_request ADD COLUMN IF NOT EXISTS has_changes boolean NOT NULL DEFAULT false;
