"""A gate's live numbers are there at once, however long the stay."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Sum

from alpha.models import TrafficArm, UsageEvent
from alpha.services.batches import close_batches
from tests.alpha.test_evidence import Story
from tests.alpha.traffic import SINCE

N_EVENTS = 1_000_000
PARTNERS = [f"partner-{number}" for number in range(10)]
NOW = SINCE + timedelta(days=8)
FILL = """
INSERT INTO usage_event (month, request_id, partner_id, key_id, grant_id, unit, stage_id,
    release_id, checkpoint_id, deployment_id, arm, codename, endpoint, streamed, state,
    http_status, problem, tokens_in, tokens_out, tokens_cached, tokens_in_shown, cost_micros,
    currency, first_token_ms, total_ms, started_at, ended_at)
SELECT '2026-03-01', gen_random_uuid(), p.id, k.id, g.id, md5((n / 4)::text), s.stage_id,
    CASE WHEN spot.side = 1 THEN %(candidate)s ELSE %(incumbent)s END::uuid,
    s.checkpoint_id, %(place)s, 'x', 'quasar-alpha', 'chat/completions', false,
    CASE WHEN n %% 97 = 0 THEN 'failed' ELSE 'succeeded' END,
    CASE WHEN n %% 97 = 0 THEN 502 ELSE 200 END, '', 30, 10, 0, 12, 40 + n %% 9, 'USD', 10,
    100 + n %% 211, %(since)s + n * interval '0.6 s', %(since)s + n * interval '0.6 s'
FROM generate_series(10, %(n)s) AS n
CROSS JOIN LATERAL (SELECT (n / 4) %% 2 AS side, (n / 4 / 2) %% 10 AS number) AS spot
JOIN partner p ON p.name = 'partner-' || spot.number
JOIN partner_key k ON k.partner_id = p.id
JOIN "grant" g ON g.partner_id = p.id
JOIN release s ON s.id = %(candidate)s
"""
ASKED: list[tuple[str, dict[str, Any]]] = [
    ("error_rate", {"ratio_at_most": 1.5}),
    ("error_rate", {"ratio_at_most": 1.5, "per": "request"}),
    ("error_rate", {"at_most": 0.05}),
    ("feedback_rate", {"counts": "thumbs_down", "ratio_at_most": 2.0}),
    ("latency", {"at_most_ms": 350}),
    ("latency", {"ratio_at_most": 1.1}),
    ("cost", {"ratio_at_most": 1.5}),
    ("exposure", {"partners": 5}),
]


@pytest.mark.long
def test_a_gate_reads_a_million_calls_well_within_a_second(committed_db: str) -> None:
    story = Story(*PARTNERS)
    place = story.traffic.event(story.candidate, story.traffic.callers[PARTNERS[0]], "x")
    with connection.cursor() as cursor:
        given = {
            "candidate": story.candidate.pk,
            "incumbent": story.incumbent.pk,
            "place": place["deployment_id"],
            "since": SINCE,
            "n": N_EVENTS,
        }
        cursor.execute(FILL, given)
    assert UsageEvent.objects.count() > N_EVENTS - 10
    close_batches(NOW)
    took = {}
    for kind, options in ASKED:
        began = time.monotonic()
        found = story.gather(kind, NOW, **options)
        took[f"{kind} {options}"] = round(time.monotonic() - began, 3)
        assert found.observed is not None or found.missing, found.problem
    assert TrafficArm.objects.filter(batch__counts="request").aggregate(n=Sum("n"))["n"] > 990_000
    assert max(took.values()) < 1.0, took
