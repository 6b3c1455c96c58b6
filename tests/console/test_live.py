"""Pages that stay open: one stream each, one look and one listener a process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest
from django.contrib.sessions.models import Session
from django.db import connection, connections
from django.urls import reverse
from playwright.sync_api import expect, sync_playwright

from evals.models import Result, Run
from evals.states import RunState
from infra import clock
from infra.console import live
from releases.services import releases as services
from tests import builders
from tests.console.conftest import FLAGS, _served
from tests.console.visits import signed_in
from tests.console.world import _result
from tests.evals import builders as evals
from tests.releases import story

PATIENCE_S = 20.0
PATIENCE_MS = 20_000
Lines = Iterator[str]


def going() -> Run:
    """A run that goes, with nothing recorded yet."""
    run = evals.start(evals.published(4), evals.served("http://127.0.0.1:9/v1"))
    Run.objects.filter(pk=run.pk).update(state=RunState.RUNNING.value, started_at=clock.now())
    return Run.objects.get(pk=run.pk)


def record(run: Run, n: int) -> None:
    cases = run.version.cases.exclude(results__run=run).order_by("position")[:n]
    Result.objects.bulk_create(_result(run, case, True) for case in cases)


@contextmanager
def caller(url: str, username: str) -> Iterator[httpx.Client]:
    """A signed-in person; the session is made without the browser's form."""
    cookies = {name: morsel.value for name, morsel in signed_in(username).cookies.items()}
    connections.close_all()
    with httpx.Client(base_url=url, cookies=cookies, timeout=PATIENCE_S) as client:
        yield client


@contextmanager
def streamed(client: httpx.Client, *topics: str) -> Iterator[Lines]:
    query = "&".join(f"topic={topic}" for topic in topics)
    with client.stream("GET", f"{reverse('console-live')}?{query}") as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"] == "text/event-stream"
        yield answer.iter_lines()


def next_facts(lines: Lines) -> dict[str, Any]:
    """The next event's data; AssertionError where it is no `facts`."""
    for line in lines:
        if line.startswith("event:"):
            assert line == "event: facts", line
        if line.startswith("data: "):
            return json.loads(line.removeprefix("data: "))
    raise AssertionError("the stream ended")


def until(lines: Lines, topic: str, **wanted: Any) -> dict[str, Any]:
    while True:
        facts = next_facts(lines).get(topic, {})
        if wanted.items() <= facts.items():
            return facts


def n_listeners() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query LIKE 'LISTEN %'"
        )
        return int(cursor.fetchone()[0])


def test_streams_share_one_look_and_end_with_the_session(
    committed_db: str, valkey: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "BEAT_S", 0.5)
    cast = builders.cast()
    run, stage = going(), story.stage(story.MANUAL)
    story.promoted(cast, builders.checkpoint("chat-nano-2"), stage)
    release = stage.releases.get()
    of_run, of_stage = f"run:{run.pk}", f"stage:{stage.pk}"
    with _served() as url, caller(url, "engineer") as client, caller(url, "auditor") as other:
        path = reverse("console-live")
        assert httpx.get(f"{url}{path}?topic={of_run}").status_code == 403
        for bad in ("", "?topic=run:x", f"?topic=people:{uuid4()}"):
            assert client.get(f"{path}{bad}").status_code == 400
        assert client.post(path).status_code in (403, 405)
        with (
            streamed(client, of_run, of_stage) as mine,
            streamed(client, of_run) as again,
            streamed(other, of_run) as theirs,
        ):
            first = next_facts(mine)
            assert set(first) == {of_run, of_stage}
            assert (first[of_run]["line"], first[of_run]["is_over"]) == ("0 of 4", False)
            assert next_facts(again) == next_facts(theirs) == {of_run: first[of_run]}
            record(run, 3)
            assert until(mine, of_run, done=3)["percent"] == 75
            assert until(theirs, of_run, done=3)["passed"] == 3
            services.halt_release(actor=cast.release_manager, release=release, reason="Odd.")
            while "halted" not in next_facts(mine).get(of_stage, {}).get("state", ""):
                pass
            assert n_listeners() == 1
            Session.objects.all().delete()
            assert any(line == "event: gone" for line in mine)
            assert any(line == "event: gone" for line in theirs)


def test_one_person_opens_so_many_streams(committed_db: str, valkey: str) -> None:
    builders.cast()
    topic = f"run:{going().pk}"
    with _served() as url, caller(url, "engineer") as client, ExitStack() as stack:
        opened = [stack.enter_context(streamed(client, topic)) for _ in range(live.MOST_STREAMS)]
        assert all(next_facts(lines) for lines in opened)
        with client.stream("GET", f"{reverse('console-live')}?topic={topic}") as refused:
            assert refused.status_code == 429
            assert b"asks by itself" in refused.read()


def test_a_slow_page_gets_the_newest_facts_alone() -> None:
    async def told() -> dict[str, Any]:
        topic = ("run", uuid4())
        watcher = live.Watcher("p", frozenset({topic}))
        for done in range(1000):
            watcher.tell({topic: {"done": done}, ("run", uuid4()): {"done": 1}})
        news = await watcher.news(1)
        watcher.tell({topic: {"done": 999}})
        assert await watcher.news(0.01) == {}, "nothing is new"
        return news

    assert [facts["done"] for facts in asyncio.run(told()).values()] == [999]


@pytest.mark.long
def test_an_open_page_counts_on_in_place(committed_db: str, chromium: str, valkey: str) -> None:
    builders.cast()
    run = going()
    cookies = signed_in("engineer").cookies
    connections.close_all()
    with _served() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        context = browser.new_context()
        context.add_cookies(
            [{"name": name, "value": m.value, "url": url} for name, m in cookies.items()]
        )
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url + reverse("console-run", args=[run.pk]))
        line, passed = page.locator("[data-fact=line]"), page.locator("[data-fact=passed]")
        expect(line).to_have_text("0 of 4", timeout=PATIENCE_MS)
        page.wait_for_timeout(300)
        n_asked = len(asked)
        _elsewhere(record, run, 2)
        expect(passed).to_have_text("2", timeout=PATIENCE_MS)
        bar = page.locator("[role=progressbar]")
        assert bar.get_attribute("aria-valuenow") == "2"
        assert page.locator("[data-fact-width]").get_attribute("style") == "width: 50%;"
        assert len(asked) - n_asked <= 1, "nothing is fetched for numbers alone"
        _elsewhere(Run.objects.filter(pk=run.pk).update, state=RunState.PAUSED.value)
        expect(page.locator("#progress h2")).to_have_text("Paused", timeout=PATIENCE_MS)
        assert sum("/console/live/" in address for address in asked) == 1
        browser.close()


def _elsewhere(change: Any, *args: Any, **kwargs: Any) -> None:
    """Outside this thread, where Playwright's loop runs and Django refuses the database."""

    def done() -> None:
        try:
            change(*args, **kwargs)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(done).result()
