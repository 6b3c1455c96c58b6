"""What a partner can look up about itself: usage, releases, and ends that come near."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx2 as httpx
import pytest

from alpha.gateway.lifetime import lifetime_headers
from alpha.gateway.usage import days_asked
from alpha.models import Grant, Key, Partner
from alpha.routing import CodenameEntry
from infra import clock
from infra.ids import uuid7
from releases.models import Checkpoint, Codename, Release
from tests.alpha.builders import Access, usage_event
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.server import usage_of, wait_for
from tests.alpha.gateway.test_errors import is_error
from tests.alpha.gateway.upstream import Upstream

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_usage_is_the_partners_own_by_day_and_codename(http: httpx.Client, granted: Access) -> None:
    other = Partner.objects.create(name="umbrella", contact_email="dev@umbrella.example")
    yesterday = clock.now() - timedelta(days=1)
    usage_event(granted, tokens_cached=20, started_at=yesterday)
    usage_event(granted, state="failed", started_at=yesterday)
    usage_event(granted, codename="nova", tokens_out=2**40)
    usage_event(granted, partner=other)
    body = http.get("/usage").json()
    first = {"object": "usage", "day": yesterday.date().isoformat(), "codename": "quasar-alpha"}
    # Of 20 cached tokens 18 were the hidden prompt's: 30 counted, 12 shown.
    first |= {"n_calls": 2, "n_succeeded": 1, "input_tokens": 24, "cached_tokens": 2}
    assert body["data"][0] == {**first, "output_tokens": 20, "cost_micros": 84, "currency": "USD"}
    assert [row["codename"] for row in body["data"]] == ["quasar-alpha", "nova"]
    assert body["data"][1]["output_tokens"] == 2**40
    assert body["end"] == clock.now().date().isoformat()


def test_usage_is_the_sum_of_what_the_replies_said(http: httpx.Client) -> None:
    replies = [http.post("/chat/completions", json=chat()) for _ in range(3)]
    for reply in replies:
        usage_of(reply.headers["x-request-id"])
    (row,) = http.get("/usage").json()["data"]
    told = [reply.json()["usage"] for reply in replies]
    assert row["n_calls"] == 3
    assert row["input_tokens"] == sum(usage["prompt_tokens"] for usage in told)
    assert row["output_tokens"] == sum(usage["completion_tokens"] for usage in told)


def test_a_range_of_days_is_bounded_and_named_when_wrong(
    http: httpx.Client, granted: Access
) -> None:
    today, before = clock.now().date(), clock.now() - timedelta(days=40)
    usage_event(granted, started_at=before, month=before.date().replace(day=1))
    assert http.get("/usage").json()["data"] == []
    start = today - timedelta(days=91)
    (row,) = http.get(f"/usage?start={start}&end={today}").json()["data"]
    assert row["day"] == before.date().isoformat()
    for query, param in (
        ("start=soon", "start"),
        ("end=2026-13-01", "end"),
        (f"start={today - timedelta(days=92)}", "start"),
        (f"start={today}&end={today - timedelta(days=1)}", "start"),
        ("start=0001-01-01&end=9999-12-31", "end"),
        ("partner_id=1", "partner_id"),
        ("start=", "start"),
        ("start=9999-12-31&end=9999-12-31", "end"),
    ):
        reply = http.get(f"/usage?{query}")
        assert reply.status_code == 400 and reply.json()["error"]["param"] == param, query
    is_error(http.get("/usage?x=1"), 400, "unknown_parameter")
    assert http.get("/usage?end=0001-01-01").json()["data"] == []


def test_a_month_is_read_whole(http: httpx.Client, granted: Access) -> None:
    first = datetime(2026, 10, 1, tzinfo=UTC)
    last = datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC)
    for moment in (first, last, first - timedelta(seconds=1), last + timedelta(seconds=1)):
        usage_event(granted, started_at=moment, month=moment.date().replace(day=1))
    rows = http.get("/usage?start=2026-10-01&end=2026-10-31").json()["data"]
    assert [row["day"] for row in rows] == ["2026-10-01", "2026-10-31"]


def test_the_usual_range_is_thirty_days() -> None:
    assert days_asked(b"", NOW.date()) == (NOW.date() - timedelta(days=29), NOW.date())


def test_releases_tell_how_a_codename_stands_and_no_more(
    http: httpx.Client, granted: Access
) -> None:
    Grant.objects.update(requests_per_minute=60, budget_micros=10**6)
    Codename.objects.create(
        stage=granted.stage, size="large", name="elsewhere", opens_at=clock.now()
    )
    wait_for(lambda: release_of(http)["rates"]["requests_per_minute"] == 60, "the rates are known")
    reply = http.get("/releases")
    (entry,) = reply.json()["data"]
    assert set(entry) == {
        *("id", "object", "state", "opens_at", "ends_at", "access_ends_at", "rates", "message")
    }
    assert (entry["id"], entry["state"], entry["ends_at"]) == ("quasar-alpha", "open", None)
    assert entry["rates"]["budget_micros"] == 10**6
    for secret in (*Checkpoint.objects.values_list("name", flat=True), granted.stage.name):
        assert secret not in reply.text
    Release.objects.update(state="halted")
    wait_for(lambda: release_of(http)["state"] == "halted", "the halt is known")


def release_of(http: httpx.Client) -> dict[str, object]:
    (entry,) = http.get("/releases").json()["data"]
    return entry


def test_the_end_of_a_codename_stays_on_the_list_with_its_reveal(
    http: httpx.Client, granted: Access
) -> None:
    Grant.objects.update(opens_at=clock.now() - timedelta(days=5))
    Codename.objects.update(
        opens_at=clock.now() - timedelta(days=9),
        ends_at=clock.now() - timedelta(days=1),
        reveal_text="It was Nova.",
    )
    wait_for(lambda: release_of(http)["state"] == "ended", "the end is known")
    assert release_of(http)["message"] == "It was Nova."


def test_another_partner_sees_nothing(http: httpx.Client, granted: Access) -> None:
    usage_event(granted)
    other = Partner.objects.create(name="umbrella", contact_email="dev@umbrella.example")
    Key.objects.update(partner=other)
    wait_for(lambda: http.get("/releases").json()["data"] == [], "the key is another's")
    assert http.get("/usage").json()["data"] == []


def test_a_near_end_is_announced_on_every_reply_of_the_codename(
    http: httpx.Client, upstream: Upstream
) -> None:
    assert "sunset" not in http.post("/chat/completions", json=chat()).headers
    ends_at = (clock.now() + timedelta(days=10)).replace(microsecond=0)
    Codename.objects.update(ends_at=ends_at)
    wait_for(lambda: "sunset" in http.get("/models/quasar-alpha").headers, "the end is known")
    replies = [
        http.post("/chat/completions", json=chat()),
        http.post("/chat/completions", json=chat(stream=True)),
        http.post("/embeddings", json={"model": "quasar-alpha", "input": "hi"}),
    ]
    upstream.behaviour.status, upstream.behaviour.raw = 500, "broken"
    replies.append(http.post("/chat/completions", json=chat()))
    for reply in replies:
        assert parsedate_to_datetime(reply.headers["sunset"]) == ends_at
        assert reply.headers["deprecation"].startswith("@")
    assert "sunset" not in http.get("/models").headers


@pytest.mark.parametrize(
    ("name", "opened", "ends", "expected"),
    [
        ("no end", -1, None, None),
        ("a far end", -1, 31, None),
        ("thirty days", -90, 30, 0),
        ("opened since", -1, 10, -1),
        ("tomorrow", -90, 1, -29),
    ],
)
def test_deprecation_is_since(
    name: str, opened: int, ends: int | None, expected: int | None
) -> None:
    entry = CodenameEntry(
        name="quasar",
        stage_id=uuid7(),
        size="nano",
        opens_at=NOW + timedelta(days=opened),
        ends_at=None if ends is None else NOW + timedelta(days=ends),
    )
    headers = dict(lifetime_headers(entry, NOW))
    if expected is None:
        assert headers == {}, name
        return
    since = int((NOW + timedelta(days=expected)).timestamp())
    assert headers[b"deprecation"] == b"@%d" % since, name
    assert headers[b"sunset"].endswith(b" GMT"), name
