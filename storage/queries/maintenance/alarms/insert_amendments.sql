-- Add events to the past of alarms, a JSON array of rows; known ones stay.
-- alarm_event_pkey.
INSERT INTO alarm_event
SELECT * FROM jsonb_populate_recordset(NULL::alarm_event, %(rows)s::jsonb)
ON CONFLICT (alarm_id, revision, amendment) DO NOTHING;
