"""The statements by which live traffic is counted; `alpha.services.batches` says what they mean.

A whole round of calls is one statement each: row by row it would be too slow for a day's traffic.
"""

# ruff: noqa: S608 -- composed of the constants below alone

from __future__ import annotations

_REFUSED_INPUT = "(state = 'failed' AND http_status BETWEEN 400 AND 499)"
_IS_ERROR = f"(state = 'failed' AND NOT {_REFUSED_INPUT})"
_MS = f"CASE WHEN {_REFUSED_INPUT} THEN NULL ELSE total_ms END"
_IS_PRICED = "(state = 'succeeded' AND cost_micros > 0)"

# What lands after this is left to the next round: its segments are not followed yet.
WAITING_CALLS = """
SELECT id, release_id FROM landed_call WHERE segment_id IS NULL ORDER BY id LIMIT %(limit)s
"""

# A call of no segment came by shares that held no longer, or to a release that is no row here.
ADD_CALLS = f"""
WITH waiting AS MATERIALIZED (
    SELECT unnest(%(calls)s) AS id
), matched AS (
    UPDATE landed_call c SET segment_id = s.id, seen_at = %(now)s,
        arm = CASE WHEN c.release_id = coalesce(s.candidate_id, s.incumbent_id) THEN 1 ELSE 0 END
    FROM traffic_segment s
    WHERE c.id IN (SELECT id FROM waiting)
        AND (s.candidate_id = c.release_id OR s.incumbent_id = c.release_id)
        AND c.started_at >= s.counts_from AND (s.until IS NULL OR c.started_at < s.until)
    RETURNING c.*, s.stay_id
), first AS (
    SELECT DISTINCT ON (stay_id, unit) stay_id, unit, segment_id, arm, partner_id, {_MS} AS ms
    FROM matched ORDER BY stay_id, unit, started_at, id
), added AS (
    INSERT INTO traffic_unit AS kept (stay_id, unit, segment_id, arm, partner_id, ms, seen_at,
        is_error, n_priced, cost_micros)
    SELECT f.stay_id, f.unit, f.segment_id, f.arm, f.partner_id, f.ms, %(now)s,
        bool_or({_IS_ERROR}), count(*) FILTER (WHERE {_IS_PRICED}),
        coalesce(sum(cost_micros) FILTER (WHERE {_IS_PRICED}), 0)
    FROM first f JOIN matched m USING (stay_id, unit, segment_id, arm)
    GROUP BY f.stay_id, f.unit, f.segment_id, f.arm, f.partner_id, f.ms
    ON CONFLICT (stay_id, unit) DO UPDATE SET
        is_error = kept.is_error OR EXCLUDED.is_error,
        n_priced = kept.n_priced + EXCLUDED.n_priced,
        cost_micros = kept.cost_micros + EXCLUDED.cost_micros
    WHERE kept.batch_id IS NULL AND kept.segment_id = EXCLUDED.segment_id
        AND kept.arm = EXCLUDED.arm
), unmatched AS (
    DELETE FROM landed_call
    WHERE id IN (SELECT id FROM waiting) AND id NOT IN (SELECT id FROM matched)
)
SELECT 1
"""

OPEN_UNITS = """
SELECT stay_id, segment_id, partner_id, count(*), min(seen_at) FROM traffic_unit
WHERE batch_id IS NULL GROUP BY 1, 2, 3 HAVING count(*) >= %(least)s ORDER BY 5, 2, 3
"""
OPEN_REQUESTS = """
SELECT s.stay_id, c.segment_id, c.partner_id, count(*), min(c.seen_at)
FROM landed_call c JOIN traffic_segment s ON s.id = c.segment_id
GROUP BY 1, 2, 3 HAVING count(*) >= %(least)s ORDER BY 5, 2, 3
"""

_ARMS = """
INSERT INTO traffic_arm (batch_id, arm, n, n_errors, n_downs, ms, n_priced, cost_sum,
    cost_squares, log_cost_sum, log_cost_squares)
SELECT %(batch)s, arm, count(*), count(*) FILTER (WHERE is_error),
    count(*) FILTER (WHERE is_down),
    coalesce(array_agg(ms ORDER BY ms) FILTER (WHERE ms IS NOT NULL), '{{}}'),
    count(cost), coalesce(sum(cost), 0), coalesce(sum(cost * cost), 0),
    coalesce(sum(ln(cost)), 0), coalesce(sum(ln(cost) * ln(cost)), 0)
FROM ({taken}) AS taken GROUP BY arm
"""
_THESE = "segment_id = %(segment)s AND partner_id = %(partner)s"
ARMS_OF_UNITS = _ARMS.format(
    taken=f"""
    SELECT arm, is_error, down_age IS NOT NULL AS is_down, ms,
        CASE WHEN n_priced > 0 THEN cost_micros::float8 / n_priced END AS cost
    FROM traffic_unit WHERE batch_id IS NULL AND {_THESE}"""
)
TAKE_UNITS = f"UPDATE traffic_unit SET batch_id = %(batch)s WHERE batch_id IS NULL AND {_THESE}"
ARMS_OF_REQUESTS = _ARMS.format(
    taken=f"""
    SELECT arm, {_IS_ERROR} AS is_error, false AS is_down, {_MS} AS ms,
        CASE WHEN {_IS_PRICED} THEN cost_micros::float8 END AS cost
    FROM landed_call WHERE {_THESE}"""
)
TAKE_REQUESTS = f"DELETE FROM landed_call WHERE {_THESE}"

# Of those that had no thumbs-down when the batch came to the age before.
LATE_ARMS = """
INSERT INTO traffic_arm (batch_id, arm, n, n_errors, n_downs, ms, n_priced, cost_sum,
    cost_squares, log_cost_sum, log_cost_squares)
SELECT %(batch)s, arm, count(*) FILTER (WHERE down_age IS NULL OR down_age >= %(age)s), 0,
    count(*) FILTER (WHERE down_age = %(age)s), '{}', 0, 0, 0, 0, 0
FROM traffic_unit WHERE batch_id = %(of)s GROUP BY arm
"""
