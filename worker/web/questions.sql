-- All records of one document
WITH selected AS (
    SELECT o.job_id, o.document_id
    FROM jobs j
    JOIN origins o ON o.job_id = j.id
    WHERE j.name = 'oil' AND o.external_id = 'news-4'
)
SELECT 'entity' AS record, m.type, m.char_start AS place, m.text, NULL AS role, NULL AS other
FROM selected a
JOIN entity_mentions m ON m.job_id = a.job_id AND m.document_id = a.document_id
UNION ALL
SELECT 'relation', m.type, m.head_start, m.head_text, NULL, m.tail_text
FROM selected a
JOIN relation_mentions m ON m.job_id = a.job_id AND m.document_id = a.document_id
UNION ALL
SELECT 'event', m.type, m.trigger_start, m.trigger_text, m.role, m.argument_text
FROM selected a
JOIN event_mentions m ON m.job_id = a.job_id AND m.document_id = a.document_id
ORDER BY record, place, type, role, other

-- All mentions of a name
SELECT external_id, text, char_start, char_end
FROM entity_mentions
WHERE name_key = 'crude oil'
    AND job_id IN (SELECT id FROM jobs WHERE name = 'oil')
ORDER BY document_id, char_start
LIMIT 20

-- All mentions of a canonical name
SELECT external_id, text, canonical
FROM entity_mentions
WHERE name_key IN (SELECT key FROM canonical WHERE name = 'OPEC')
    AND job_id IN (SELECT id FROM jobs WHERE name = 'oil')
ORDER BY document_id, char_start
LIMIT 20

-- Names with a prefix
SELECT name_key, canonical, COUNT(DISTINCT document_id) AS documents
FROM entity_mentions
WHERE name_key >= 'crude' AND name_key < 'crudf'
GROUP BY name_key, canonical
ORDER BY documents DESC, name_key
LIMIT 20

-- Relations of a type
SELECT head_canonical, tail_canonical, COUNT(DISTINCT document_id) AS documents
FROM relation_mentions
WHERE type = 'exports'
    AND job_id IN (SELECT id FROM jobs WHERE name = 'oil')
GROUP BY head_canonical, tail_canonical
ORDER BY documents DESC, head_canonical, tail_canonical
LIMIT 20

-- Relations of one name
SELECT type, tail_canonical, external_id, head_start, tail_start
FROM relation_mentions
WHERE head_key = 'saudi arabia'
    AND job_id IN (SELECT id FROM jobs WHERE name = 'oil')
ORDER BY document_id, head_start, tail_start
LIMIT 20

-- Events with arguments as columns
SELECT MIN(external_id) AS external_id, MIN(trigger_text) AS trigger_text,
    MAX(CASE WHEN role = 'Item' THEN argument_text END) AS item,
    MAX(CASE WHEN role = 'Difference' THEN argument_text END) AS difference
FROM event_mentions
WHERE type = 'Movement'
    AND job_id IN (SELECT id FROM jobs WHERE name = 'oil')
GROUP BY event_id
ORDER BY event_id
LIMIT 20

-- Events with arguments as JSON
SELECT external_id, trigger_text, arguments
FROM events_json
WHERE type = 'Cut'
    AND job_id IN (SELECT id FROM jobs WHERE name = 'oil')
ORDER BY event_id
LIMIT 2

-- Doubtful records
SELECT external_id, text, type, confidence
FROM entity_mentions
WHERE job_id IN (SELECT id FROM jobs WHERE name = 'oil') AND confidence < 0.6
ORDER BY confidence, entity_id
LIMIT 4

-- Names that occur together
SELECT other_canonical, other_type, COUNT(DISTINCT document_id) AS documents
FROM entity_pairs
WHERE name_key = 'opec'
    AND job_id IN (SELECT id FROM jobs WHERE name = 'oil')
GROUP BY other_canonical, other_type
ORDER BY documents DESC, other_canonical
LIMIT 10

-- Mentions over time
SELECT SUBSTR(d.metadata ->> 'date', 1, 7) AS month, COUNT(*) AS mentions,
    COUNT(DISTINCT m.document_id) AS documents
FROM entity_mentions m
JOIN document_metadata d ON d.job_id = m.job_id AND d.document_id = m.document_id
WHERE m.name_key = 'crude oil' AND m.job_id IN (SELECT id FROM jobs WHERE name = 'oil')
GROUP BY SUBSTR(d.metadata ->> 'date', 1, 7)
ORDER BY month

-- Provenance of a record
SELECT p.record_id, p.model, p.prompt_version, p.schema_name, p.cost_usd, d.position,
    d.demonstration_id
FROM record_provenance p
JOIN extraction_demonstrations d ON d.extraction_id = p.extraction_id
WHERE p.record = 'relation'
    AND p.record_id IN (SELECT relation_id FROM model_relation_mentions
        WHERE type = 'member_of' AND head_key = 'saudi arabia')
ORDER BY p.record_id, d.position
LIMIT 20

-- Documents without any record
SELECT d.external_id,
    (SELECT COUNT(*) FROM quarantine q
        WHERE q.job_id = d.job_id AND q.document_id = d.document_id) AS quarantined
FROM document_metadata d
WHERE d.job_id IN (SELECT id FROM jobs WHERE name = 'oil')
    AND NOT EXISTS (SELECT 1 FROM entity_mentions m
        WHERE m.job_id = d.job_id AND m.document_id = d.document_id)
    AND NOT EXISTS (SELECT 1 FROM relation_mentions m
        WHERE m.job_id = d.job_id AND m.document_id = d.document_id)
    AND NOT EXISTS (SELECT 1 FROM event_mentions m
        WHERE m.job_id = d.job_id AND m.document_id = d.document_id)
ORDER BY d.document_id
LIMIT 20

-- Spend by day and model
SELECT day, model, calls, failed_calls, prompt_tokens + completion_tokens AS tokens,
    ROUND(cost_usd, 4) AS cost_usd
FROM spend_by_day
ORDER BY day DESC, model
LIMIT 20

-- Agreement with the reviews
SELECT task, SUM(matched) AS matched, SUM(missing) AS missing, SUM(spurious) AS spurious,
    ROUND(100.0 * SUM(matched) / NULLIF(SUM(matched + spurious), 0), 1) AS precision,
    ROUND(100.0 * SUM(matched) / NULLIF(SUM(matched + missing), 0), 1) AS recall
FROM review_agreement
WHERE job_id IN (SELECT id FROM jobs WHERE name = 'oil')
GROUP BY task
ORDER BY task

-- Which reviews were replaced
SELECT o.external_id, r.reviewer, r.replaced_at, n.reviewer AS replaced_by
FROM reviews r
JOIN reviews n ON n.document_id = r.document_id AND n.schema_digest = r.schema_digest
    AND n.replaced_at IS NULL
JOIN origins o ON o.job_id = r.job_id AND o.document_id = r.document_id
WHERE r.replaced_at IS NOT NULL
ORDER BY o.external_id, r.id
LIMIT 20

-- What one model finds and another does not
SELECT a.external_id, a.type, a.text
FROM model_entity_mentions a
WHERE a.name_key = 'crude export'
    AND a.job_id IN (SELECT id FROM jobs WHERE name = 'oil large')
    AND NOT EXISTS (SELECT 1 FROM model_entity_mentions b
        WHERE b.job_id IN (SELECT id FROM jobs WHERE name = 'oil')
            AND b.document_id = a.document_id AND b.type = a.type
            AND b.char_start = a.char_start AND b.char_end = a.char_end)
ORDER BY a.document_id, a.char_start
LIMIT 20

-- Items in quarantine
SELECT task, error_class, COUNT(*) AS items, MIN(error) AS example
FROM quarantine
WHERE job_id IN (SELECT id FROM jobs WHERE name = 'oil')
GROUP BY task, error_class
ORDER BY items DESC, task, error_class
