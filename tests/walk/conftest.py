"""One real product with its demo for every test of the walk."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.embedded.processes import wait_until
from tests import state_folder
from tests.alpha.gateway.upstream import Upstream
from tests.walk.browser import Browser, chromium
from tests.walk.product import Product
from tests.walk.side import make_side

# What needs no demo comes first, while it plays; what breaks things comes last.
ORDER = (
    "test_start",
    "test_side",
    "test_demo",
    "test_console",
    "test_kills",
    "test_restarts",
    "test_audit",
)
DEMO_WITHIN_S = 600.0
TIMES = pytest.StashKey[dict[str, float]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TIMES] = {}


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """What the walk took, whether or not it kept its bounds."""
    for what, seconds in config.stash[TIMES].items():
        terminalreporter.write_line(f"the walk: {what}: {seconds:.1f} s")


@pytest.fixture(scope="session")
def times(pytestconfig: pytest.Config) -> dict[str, float]:
    """Seconds by what took them, printed at the session's end."""
    return pytestconfig.stash[TIMES]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The walk's files first, in their order: while its demo plays, the other process tests."""
    items.sort(key=_place)
    for item in items:
        if _is_ours(item):
            item.add_marker(pytest.mark.model)


def _is_ours(item: pytest.Item) -> bool:
    return item.path.parent == Path(__file__).parent


def _place(item: pytest.Item) -> int:
    return ORDER.index(item.path.stem) if _is_ours(item) else len(ORDER)


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    """Running, its demo on the way; nothing of it is left at the end."""
    state = Path(state_folder.make())
    product = Product(state)
    try:
        product.ready_s = product.start()
        yield product
        code = product.stop()
        assert code == 0, product.said()
        assert not product.processes(), [each.cmdline() for each in product.processes()]
    finally:
        product.end()
        shutil.rmtree(state, ignore_errors=True)


@pytest.fixture(scope="session")
def demo(product: Product) -> Product:
    """The product once its demo is over."""
    wait_until(lambda: product.facts["demo"] != "running", timeout_s=DEMO_WITHIN_S)
    product.demo_s = time.monotonic() - product.started_at
    assert product.facts["demo"] == "done", product.said()
    return product


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    """An upstream whose every call is seen."""
    server = Upstream()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def side(product: Product, upstream: Upstream) -> Upstream:
    """Behind a family of its own, live in a stage that the demo's partner may call."""
    make_side(product, upstream.url)
    return upstream


@pytest.fixture
def browser(product: Product) -> Iterator[Browser]:
    with chromium(product) as found:
        yield found
