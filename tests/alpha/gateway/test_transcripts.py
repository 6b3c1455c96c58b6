"""Text is kept with consent only, sealed; without consent no byte of it reaches the disk."""

from __future__ import annotations

import logging
from pathlib import Path
from uuid import UUID, uuid4

import httpx2 as httpx
import psycopg
import pytest

from alpha import sealing
from alpha.gateway.config import GatewayConfig
from alpha.models import Grant, PartnerDataKey, Transcript, UsageEvent
from alpha.services.data_keys import rotate_data_key, seal_anew
from alpha.transcripts import read_transcript
from infra import clock
from infra.errors import NotFound
from tests.alpha.builders import ACTOR, Access
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.server import Running, running, usage_of, wait_for
from tests.alpha.gateway.upstream import Upstream
from tests.conftest import database_url

CANARY = "canary-7Q2z-prompt"
ECHO = "canary-9X4k-reply"
ASKED = [{"role": "user", "content": f"Remember {CANARY}"}]


@pytest.fixture
def consented(gateway: Running, granted: Access) -> None:
    Grant.objects.update(transcript_consent=True, transcript_days=7)
    wait_for(lambda: _consents(gateway), "the consent is known")


def _consents(gateway: Running) -> bool:
    table = gateway.parts.tables.table
    return all(g.transcript_consent for held in table.grants.values() for g in held)


def kept(request_id: str) -> Transcript:
    return wait_for(
        lambda: Transcript.objects.filter(request_id=request_id).first(), "the text is kept"
    )


@pytest.mark.parametrize("stream", [False, True])
def test_with_consent_the_text_is_kept_sealed_and_read_again(
    http: httpx.Client,
    consented: None,
    upstream: Upstream,
    own_object_store: Path,
    stream: bool,
) -> None:
    upstream.behaviour.words = ["It is ", ECHO]
    body = chat(messages=ASKED, stream=stream, user="ann")
    request_id = http.post("/chat/completions", json=body).headers["x-request-id"]
    row = kept(request_id)
    told = read_transcript(UUID(request_id))
    assert told["request"] == {"messages": ASKED}
    assert [message["content"] for message in told["reply"]] == [f"It is {ECHO}"]
    assert (row.expires_at - row.stored_at).days == 7
    stored = (own_object_store / row.object_key).read_bytes()
    assert CANARY.encode() not in stored and ECHO.encode() not in stored
    assert PartnerDataKey.objects.count() == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("path", "field"), [("responses", "input"), ("completions", "prompt")])
def test_other_endpoints_keep_what_was_said_too(
    http: httpx.Client,
    consented: None,
    upstream: Upstream,
    path: str,
    field: str,
    stream: bool,
) -> None:
    upstream.behaviour.words = ["It is ", ECHO]
    body = {"model": "quasar-alpha", field: CANARY, "stream": stream}
    request_id = http.post(f"/{path}", json=body).headers["x-request-id"]
    kept(request_id)
    told = read_transcript(UUID(request_id))
    assert told["request"] == {field: CANARY}
    assert f"It is {ECHO}" in str(told["reply"])


def test_a_response_that_broke_off_is_kept_as_far_as_it_was_said(
    http: httpx.Client, consented: None, upstream: Upstream
) -> None:
    upstream.behaviour.words = ["It is ", ECHO, " never"]
    upstream.behaviour.die_after = 8
    body = {"model": "quasar-alpha", "input": CANARY, "stream": True}
    request_id = http.post("/responses", json=body).headers["x-request-id"]
    kept(request_id)
    reply = read_transcript(UUID(request_id))["reply"]
    assert reply == [{"output_index": 0, "text": f"It is {ECHO}"}]


def test_after_a_rotation_the_next_text_is_under_the_new_key_and_the_old_one_is_read(
    http: httpx.Client, consented: None, granted: Access
) -> None:
    made = []
    for number in (1, 2):
        made.append(http.post("/chat/completions", json=chat()).headers["x-request-id"])
        assert kept(made[-1]).data_key.number == number
        rotate_data_key(actor=ACTOR, partner=granted.partner, reason="A laptop was lost.")
    texts = [read_transcript(UUID(request_id)) for request_id in made]
    assert seal_anew() == 2
    assert [read_transcript(UUID(request_id)) for request_id in made] == texts


def test_a_partner_keeps_one_data_key_and_dropping_it_erases(
    http: httpx.Client, consented: None
) -> None:
    made = [http.post("/chat/completions", json=chat()).headers["x-request-id"] for _ in range(3)]
    rows = [kept(request_id) for request_id in made]
    assert len({row.data_key_id for row in rows}) == 1
    PartnerDataKey.objects.update(wrapped_key=None, dropped_at=clock.now())
    with pytest.raises(NotFound, match="erased"):
        read_transcript(UUID(made[0]))
    later = http.post("/chat/completions", json=chat()).headers["x-request-id"]
    assert kept(later).data_key_id != rows[0].data_key_id


def test_text_whose_time_is_over_is_not_read(http: httpx.Client, consented: None) -> None:
    request_id = http.post("/chat/completions", json=chat()).headers["x-request-id"]
    kept(request_id)
    Transcript.objects.update(expires_at=clock.now())
    with pytest.raises(NotFound):
        read_transcript(UUID(request_id))


def test_the_upstreams_words_are_in_the_record_with_consent(
    http: httpx.Client, consented: None, upstream: Upstream
) -> None:
    upstream.behaviour.status, upstream.behaviour.raw = 500, '{"error": {"message": "gpu lost"}}'
    request_id = http.post("/chat/completions", json=chat()).headers["x-request-id"]
    assert "gpu lost" in usage_of(request_id).problem


def test_without_consent_nothing_of_a_prompt_reaches_disk_log_or_error(
    config: GatewayConfig,
    granted: Access,
    upstream: Upstream,
    committed_db: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    headers = {"authorization": f"Bearer {granted.key_text}"}
    upstream.behaviour.words = ["It is ", ECHO]
    shown = []
    # Unshipped lines stay on the disk to be looked at.
    with running(config, ship_every_s=600) as worker:
        url = f"{worker.url}/chat/completions"
        for stream in (False, True):
            body = chat(messages=ASKED, stream=stream, user=CANARY)
            assert httpx.post(url, json=body, headers=headers).status_code == 200
        httpx.post(url, content=b'{"messages": "%s' % CANARY.encode(), headers=headers)
        httpx.post(url, json=chat(messages=ASKED, temperature=CANARY), headers=headers)
        upstream.behaviour.raw = f'{{"error": {{"message": "no {CANARY}", "code": "{CANARY} x"}}}}'
        for status in (400, 500, 200):
            upstream.behaviour.status = status
            shown.append(httpx.post(url, json=chat(messages=ASKED), headers=headers).text)
        assert _files_with(tmp_path) == []
    assert UsageEvent.objects.count() == 5
    assert _files_with(tmp_path) == []
    assert CANARY not in _everything_in(committed_db) and ECHO not in _everything_in(committed_db)
    assert CANARY not in caplog.text and ECHO not in caplog.text
    assert not [text for text in shown if CANARY in text]


def _files_with(folder: Path) -> list[str]:
    """Files that hold the canary; there are some to look at."""
    marks = (CANARY.encode(), ECHO.encode())
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if any(mark in path.read_bytes() for mark in marks)]


def _everything_in(name: str) -> str:
    with psycopg.connect(database_url("superuser", name)) as connection:
        tables = connection.execute(
            "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        rows = [connection.execute(f"SELECT * FROM {table}").fetchall() for (table,) in tables]
    return repr(rows)


def test_sealed_text_opens_with_its_own_key_and_request_only() -> None:
    partner, request = uuid4(), uuid4()
    key, wrapped = sealing.new_data_key("master", partner)
    sealed = sealing.seal(key, request, b"text" * 1000)
    assert len(sealed) < 200 and key not in wrapped
    assert (
        sealing.unseal(sealing.unwrap("master", partner, wrapped), request, sealed)[:4] == b"text"
    )
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for attempt in (
        lambda: sealing.unseal(key, uuid4(), sealed),
        lambda: sealing.unseal(key, request, changed),
        lambda: sealing.unseal(key, request, b""),
        lambda: sealing.unwrap("another", partner, wrapped),
        lambda: sealing.unwrap("master", uuid4(), wrapped),
    ):
        with pytest.raises(sealing.Unreadable):
            attempt()
