-- Store the answers to replays; return feed, reception and result of those that were requested.
-- quarantine_pkey.
-- A second answer to a request finds no open request, and changes nothing.
WITH answer AS (
    SELECT * FROM unnest(
        %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::integer[], %s::bigint[]
    ) AS told (id, reason, detail, feed, device, decoder, decoder_version, observations)
), asked AS (
    SELECT quarantine.id, quarantine.feed, quarantine.received_time
    FROM answer
    JOIN quarantine ON quarantine.id = answer.id
    WHERE quarantine.replay_sent_at IS NOT NULL
    ORDER BY quarantine.id
    FOR UPDATE OF quarantine
), answered AS (
    UPDATE quarantine AS stored
    SET attempts = stored.attempts + 1, replay_requested_at = NULL, replay_sent_at = NULL,
        resolved_at = CASE WHEN answer.reason = '' THEN now() END,
        -- Of one that went well the reason stays: it says why the message was here.
        reason = coalesce(nullif(answer.reason, ''), stored.reason),
        detail = CASE WHEN answer.reason = '' THEN stored.detail ELSE answer.detail END,
        feed = answer.feed, device = answer.device, decoder = answer.decoder,
        decoder_version = answer.decoder_version, observations = answer.observations
    FROM answer
    JOIN asked USING (id)
    WHERE stored.id = answer.id
)
SELECT asked.feed, asked.received_time, answer.reason = ''
FROM answer
JOIN asked USING (id);
