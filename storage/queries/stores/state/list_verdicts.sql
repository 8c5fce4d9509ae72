-- The first few verdicts on the observations of datastreams in a span of each, both ends included.
-- assessment_key, in the chunks of each span; the limit also keeps the planner from reading whole chunks.
--
-- An observation without a row has the flags of its reception.
SELECT assessment.datastream_id, assessment.phenomenon_time, assessment.flags
FROM unnest(%(datastreams)s::integer[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
    AS asked (id, start, "end")
CROSS JOIN LATERAL (
    SELECT datastream_id, phenomenon_time, flags
    FROM assessment
    WHERE datastream_id = asked.id AND phenomenon_time >= asked.start AND phenomenon_time <= asked."end"
    ORDER BY phenomenon_time
    LIMIT %(limit)s
) AS assessment
ORDER BY assessment.datastream_id, assessment.phenomenon_time;
