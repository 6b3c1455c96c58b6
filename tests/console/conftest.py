"""A browser, and an installation with something on every page for it to look at."""

from __future__ import annotations

import copy
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import uvicorn
from django.core.asgi import get_asgi_application
from django.db import connections
from playwright.sync_api import Browser, sync_playwright
from pytest_django.plugin import DjangoDbBlocker

from tests.conftest import copy_database, own_database
from tests.console import world as worlds
from tests.console.world import World

TOLD = "told"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A running console and the story behind it."""

    url: str
    world: World


@pytest.fixture(scope="module")
def chromium() -> str:
    """Where Chromium is; skipped without one, unless SLIPWAY_REQUIRE_BROWSER=1."""
    path = os.environ.get("SLIPWAY_CHROMIUM") or shutil.which("chromium")
    if path is None:
        reason = "Chromium is not installed: apt-get install chromium."
        if os.environ.get("SLIPWAY_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="session")
def first_told(
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    valkey: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> World:
    """The story, told once a process, and kept in the database `told`."""
    with django_db_blocker.unblock(), own_database() as name:
        built = worlds.build(tmp_path_factory.mktemp("artifacts"))
        copy_database(name, TOLD)
    return built


@pytest.fixture(scope="module")
def told(first_told: World, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """The story for the tests of one file, in a private copy of its database."""
    with django_db_blocker.unblock(), own_database(TOLD):
        yield copy.deepcopy(first_told)


@pytest.fixture(scope="module")
def site(chromium: str, told: World) -> Iterator[Site]:
    """The console over the story's database, served by a thread of this process."""
    connections["default"].close()
    with _served() as url:
        yield Site(url=url, world=told)


@pytest.fixture(scope="module")
def browser(site: Site, chromium: str) -> Iterator[Browser]:
    """Started after the story is written: Django refuses the database where a loop runs."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def world(told: World, db: None) -> World:
    """The story, as this test's transaction found it."""
    return copy.deepcopy(told)


@contextmanager
def _served() -> Iterator[str]:
    config = uvicorn.Config(
        get_asgi_application(), host="127.0.0.1", port=0, log_level="error", lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive() and time.monotonic() < deadline, "the console did not start"
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=10)
