-- Alarms and incidents as the log tells them, and what became of messages to people. Of each the newest revision,
-- and everything that ever happened to it.
CREATE TABLE IF NOT EXISTS alarm (
    alarm_id          text NOT NULL,                -- rule~entity or rule~entity~sensor
    revision          bigint NOT NULL,              -- a greater one replaces a smaller
    kind              text NOT NULL,                -- what happened: `twin.alarms.messages.AlarmEvent`
    time              timestamptz NOT NULL,         -- event time
    told_time         timestamptz NOT NULL,         -- log time
    late              boolean NOT NULL,
    actor             text NOT NULL,                -- empty: the process
    text              text NOT NULL,                -- comment or reason
    command           text NOT NULL,                -- id of the command behind it
    rule              text NOT NULL,
    rule_version      integer NOT NULL,
    entity_id         text NOT NULL,
    sensor            text NOT NULL,                -- empty unless the alarm is of one sensor
    theme             text NOT NULL,
    state             text NOT NULL,                -- `twin.alarms.state_machine.AlarmState`
    active            boolean NOT NULL,
    severity          smallint NOT NULL,            -- `twin.alarms.severity.Severity`
    occurrence        integer NOT NULL,             -- counts from 1
    raised_time       timestamptz,
    returned_time     timestamptz,
    acknowledged_time timestamptz,
    acknowledged_by   text NOT NULL,
    shelved_until     timestamptz,
    suppressed_by     text NOT NULL,
    assignee          text NOT NULL,
    cause             text NOT NULL,
    area              text NOT NULL,                -- of the incident
    operands          jsonb NOT NULL,               -- array of `twin.alarms.messages.OperandValue`
    sentence_en       text NOT NULL,
    sentence_nl       text NOT NULL,
    PRIMARY KEY (alarm_id)
);

-- A thousand events a day are 1 MB: a plain table does.
CREATE TABLE IF NOT EXISTS alarm_event (LIKE alarm, PRIMARY KEY (alarm_id, revision));
-- For statistics over a time, and for retention.
CREATE INDEX IF NOT EXISTS alarm_event_by_time ON alarm_event (told_time);

CREATE TABLE IF NOT EXISTS incident (
    incident_id text NOT NULL,                      -- cause~area~number
    revision    bigint NOT NULL,
    time        timestamptz NOT NULL,
    told_time   timestamptz NOT NULL,
    cause       text NOT NULL,
    area        text NOT NULL,
    theme       text NOT NULL,
    open        boolean NOT NULL,
    severity    smallint NOT NULL,
    opened_time timestamptz NOT NULL,
    closed_time timestamptz,
    members     jsonb NOT NULL,                     -- array of `twin.alarms.messages.Member`
    PRIMARY KEY (incident_id)
);
-- For the list, newest first.
CREATE INDEX IF NOT EXISTS incident_newest ON incident (opened_time DESC, incident_id DESC);
-- For the last incident of each cause and area: a longer number is a greater one.
CREATE INDEX IF NOT EXISTS incident_by_cause
    ON incident (cause, area, length(incident_id) DESC, incident_id DESC);

CREATE TABLE IF NOT EXISTS incident_event (LIKE incident, PRIMARY KEY (incident_id, revision));
CREATE INDEX IF NOT EXISTS incident_event_by_time ON incident_event (told_time);

CREATE TABLE IF NOT EXISTS notification (
    notification_id text NOT NULL,                  -- `twin.duty.NotificationEvent`
    revision        bigint NOT NULL,                -- rises with each try
    incident_id     text NOT NULL,
    kind            text NOT NULL,
    round           integer NOT NULL,
    step            integer NOT NULL,
    contact         text NOT NULL,                  -- id; addresses are in the duty plan alone
    channel         text NOT NULL,
    outcome         text NOT NULL,
    attempt         integer NOT NULL,
    time            timestamptz NOT NULL,
    due_time        timestamptz NOT NULL,
    title           text NOT NULL,
    detail          text NOT NULL,
    PRIMARY KEY (notification_id)
);
-- For the list, newest first, of everything or of one incident.
CREATE INDEX IF NOT EXISTS notification_newest ON notification (due_time DESC, notification_id DESC);
CREATE INDEX IF NOT EXISTS notification_newest_of_incident
    ON notification (incident_id, due_time DESC, notification_id DESC);

CREATE TABLE IF NOT EXISTS notification_event (LIKE notification, PRIMARY KEY (notification_id, revision));
CREATE INDEX IF NOT EXISTS notification_event_by_time ON notification_event (time);
