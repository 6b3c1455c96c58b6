"""Facts that change while a page is open: one stream a page, one look a second a process.

However many pages are open, the process asks the database once a second for all that is watched,
and holds one connection on which PostgreSQL tells of changed releases, so that a halt shows at
once. A page that reads slowly gets the newest facts, never a queue of old ones.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import get_user
from django.db import DatabaseError, close_old_connections, connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string

from infra.triggers import ROUTING_CHANNEL

LOOK_S = 1.0
# A comment keeps proxies from closing a silent stream, and a lost session is noticed by then.
BEAT_S = 5.0
RETRY_S = 2.0
MOST_TOPICS = 60
MOST_STREAMS = 6
"""Of one person in one process; a page without a stream asks by itself."""
IS_OVER = "is_over"
Facts = Mapping[str, Any]
Topic = tuple[str, UUID]
log = logging.getLogger(__name__)


class Watcher:
    """One open page: what it watches, and the newest facts that it was not sent yet."""

    def __init__(self, person: str, topics: frozenset[Topic]) -> None:
        self.person, self.topics = person, topics
        self._seen: dict[Topic, Facts] = {}
        self._unsent: dict[str, Facts] = {}
        self._news = asyncio.Event()

    def tell(self, facts: Mapping[Topic, Facts]) -> None:
        """Keep what is new of it until the page is ready to read."""
        for topic in self.topics & facts.keys():
            if facts[topic] != self._seen.get(topic):
                self._seen[topic] = facts[topic]
                self._unsent[name_of(topic)] = facts[topic]
                self._news.set()

    async def news(self, patience_s: float) -> dict[str, Facts]:
        """What is new since the last call, by topic; {} when nothing is for so long."""
        try:
            async with asyncio.timeout(patience_s):
                await self._news.wait()
        except TimeoutError:
            return {}
        self._news.clear()
        found, self._unsent = self._unsent, {}
        return found


class Hub:
    """Looks for all watchers of one event loop; at rest while nobody watches."""

    def __init__(self) -> None:
        self._watchers: set[Watcher] = set()
        self._over: dict[Topic, Facts] = {}
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="live")

    def n_of(self, person: str) -> int:
        """Streams that are open for that person."""
        return Counter(watcher.person for watcher in self._watchers)[person]

    def open(self, watcher: Watcher) -> None:
        self._watchers.add(watcher)
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._look()), asyncio.create_task(self._listen())]
        self._wake.set()

    def close(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)
        if not self._watchers:
            for task in self._tasks:
                task.cancel()
            self._tasks, self._over = [], {}

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            wanted = {topic for watcher in self._watchers for topic in watcher.topics}
            try:
                found = await loop.run_in_executor(
                    self._thread, gathered, wanted - self._over.keys()
                )
            except DatabaseError as error:
                log.warning("live facts can't be read: %s", str(error).strip())
                found = {}
            self._over |= {topic: facts for topic, facts in found.items() if facts.get(IS_OVER)}
            for watcher in list(self._watchers):
                watcher.tell(self._over | found)
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _listen(self) -> None:
        """Look at once when a release changed; without it the next look finds it a second later."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    **_parameters(), autocommit=True, connect_timeout=3
                ) as told:
                    await told.execute(f"LISTEN {ROUTING_CHANNEL}")
                    async for _ in told.notifies():
                        self._wake.set()
            except (psycopg.Error, OSError) as error:
                log.warning("not listening for live facts: %s", str(error).strip())
            await asyncio.sleep(RETRY_S)


_HUBS: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """That of the running event loop."""
    return _HUBS.setdefault(asyncio.get_running_loop(), Hub())


def gathered(topics: Iterable[Topic]) -> dict[Topic, Facts]:
    """The facts of each topic that exists; on the hub's own thread and connection."""
    by_kind: dict[str, list[UUID]] = {}
    for kind, subject in topics:
        by_kind.setdefault(kind, []).append(subject)
    close_old_connections()
    found: dict[Topic, Facts] = {}
    for kind, subjects in by_kind.items():
        source: Callable[[list[UUID]], Mapping[UUID, Facts]] = import_string(
            settings.LIVE_SOURCES[kind]
        )
        found |= {(kind, subject): facts for subject, facts in source(subjects).items()}
    return found


def name_of(topic: Topic) -> str:
    """`run:0190…`, as pages write it."""
    return f"{topic[0]}:{topic[1]}"


def topics_in(names: Iterable[str]) -> frozenset[Topic]:
    """The topics of those names; ValueError for one that is none, or for too many."""
    found = set()
    for name in names:
        kind, _, subject = name.partition(":")
        if kind not in settings.LIVE_SOURCES:
            raise ValueError(f"nothing is told live of {kind[:20]!r}")
        found.add((kind, UUID(subject)))
    if not 0 < len(found) <= MOST_TOPICS:
        raise ValueError(f"name 1 to {MOST_TOPICS} topics")
    return frozenset(found)


async def stream(request: HttpRequest) -> HttpResponseBase:
    """`GET /console/live/?topic=run:ID`: all facts at once, then those that change.

    Reconnecting begins with all facts again. It ends with `gone` when the session does.
    """
    person = await sync_to_async(_person)(request)
    if person is None:
        return HttpResponse("Sign in first.", status=403, content_type="text/plain")
    if request.method != "GET":
        return HttpResponse("Use GET here.", status=405, headers={"Allow": "GET"})
    try:
        topics = topics_in(request.GET.getlist("topic"))
    except ValueError as error:
        return HttpResponse(f"{error}.", status=400, content_type="text/plain; charset=utf-8")
    if hub().n_of(person) >= MOST_STREAMS:
        words = f"You have {MOST_STREAMS} live pages open here: this one asks by itself."
        return HttpResponse(words, status=429, content_type="text/plain")
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    events = _events(request, Watcher(person, topics))
    return StreamingHttpResponse(events, content_type="text/event-stream", headers=headers)


async def _events(request: HttpRequest, watcher: Watcher) -> AsyncIterator[bytes]:
    mine, loop = hub(), asyncio.get_running_loop()
    mine.open(watcher)
    checked = loop.time()
    try:
        yield f"retry: {RETRY_S * 1000:.0f}\n\n".encode()
        while True:
            news = await watcher.news(BEAT_S)
            if loop.time() - checked >= BEAT_S:
                if await sync_to_async(_person)(request) != watcher.person:
                    yield b"event: gone\ndata: {}\n\n"
                    return
                checked = loop.time()
            yield f"event: facts\ndata: {json.dumps(news)}\n\n".encode() if news else b": beat\n\n"
    finally:
        mine.close(watcher)


def _person(request: HttpRequest) -> str | None:
    """Whose session it is as it is kept now; None when it may not open the console (any more)."""
    asked = HttpRequest()
    asked.session = type(request.session)(request.session.session_key)
    asked.user = get_user(asked)
    return str(asked.user.pk) if admin.site.has_permission(asked) else None


def _parameters() -> dict[str, Any]:
    """How the application's own connection reaches PostgreSQL."""
    names = ("dbname", "user", "password", "host", "port")
    known = connection.get_connection_params()
    return {name: known[name] for name in names if known.get(name)}
