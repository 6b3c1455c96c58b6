"""`make bench`: what the product costs, as ratios within one run, so that any machine may tell.

`python -m tests.bench`; the other words are its own child processes.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.walk.product import ROOT, Product
from tests.walk.side import chat, make_side

N_ROUNDS = 5
N_CALLS = 600
N_AT_ONCE = 16
N_PAGES = 15
ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "upstream",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello there!"},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
    }
).encode()


def main() -> int:
    state = Path(tempfile.mkdtemp(prefix="slw-bench-"))
    product = Product(state)
    try:
        with upstream() as url:
            _bench_starts(product)
            make_side(product, url)
            _bench_gateway(product, url)
            _bench_pages(product)
    finally:
        product.end()
        shutil.rmtree(state, ignore_errors=True)
    return 0


def _tell(what: str, sentence: str) -> None:
    sys.stdout.write(f"{what:<12}{sentence}\n")
    sys.stdout.flush()


def _bench_starts(product: Product) -> None:
    """From nothing, database and migrations included; then again over what that left."""
    first = product.start("--no-demo")
    product.stop()
    second = product.start("--no-demo")
    _tell("start", f"first {first:.1f} s, second {second:.1f} s: {second / first:.2f} of the first")


def _bench_gateway(product: Product, upstream_url: str) -> None:
    """Whole completions, many at once: straight to the upstream, and through `/v1`."""
    ways = (f"{product.url}/v1", product.facts["partner_key"]), (upstream_url, "none")
    rates: dict[str, list[float]] = {url: [] for url, _ in ways}
    (server,) = product.processes("uvicorn", "infra.asgi:application")
    before = sum(server.cpu_times()[:2])
    for number in range(N_ROUNDS + 1):
        for url, key in ways:
            per_second = asyncio.run(_calls_per_second(url, key))
            # The first round warms up.
            if number:
                rates[url].append(per_second)
    cpu_ms = 1000 * (sum(server.cpu_times()[:2]) - before) / (N_CALLS * (N_ROUNDS + 1))
    through, straight = (statistics.median(rates[url]) for url, _ in ways)
    _tell(
        "gateway",
        f"straight {straight:.0f}/s, through /v1 {through:.0f}/s: {through / straight:.2f} "
        f"of straight (median of {N_ROUNDS}, {N_AT_ONCE} at once), "
        f"{cpu_ms:.2f} ms of the server's CPU a call",
    )


async def _calls_per_second(url: str, key: str) -> float:
    import aiohttp

    headers = {"authorization": f"Bearer {key}"}
    left = iter(range(N_CALLS))

    async def call(session: aiohttp.ClientSession) -> None:
        for _ in left:
            async with session.post(f"{url}/chat/completions", json=chat()) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()

    async with aiohttp.ClientSession(headers=headers) as session:
        began = time.perf_counter()
        await asyncio.gather(*(call(session) for _ in range(N_AT_ONCE)))
        return N_CALLS / (time.perf_counter() - began)


def _bench_pages(product: Product) -> None:
    """Server time of console pages, without a browser or a network, against the sign-in page's."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "pages"],
        cwd=ROOT,
        env=product.environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    pages = json.loads(done.stdout)
    reference_ms = pages.pop("sign-in")["ms"]
    cold_ms = pages.pop("cold")["ms"]
    _tell("compare", f"two runs of 10,000 cases, 50 nodes, from nothing: {cold_ms:.0f} ms")
    _tell("sign-in", f"{reference_ms:.1f} ms")
    for name, page in pages.items():
        ratio = page["ms"] / reference_ms
        _tell(name, f"{page['ms']:.1f} ms, {page['queries']} queries: {ratio:.1f} of sign-in")


def measure_pages() -> dict[str, dict[str, float]]:
    """Median milliseconds and queries of each page, in this process, on the product's database."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "infra.settings")
    import django

    django.setup()
    from django.test import Client
    from django.urls import reverse

    from infra.models import User
    from releases.models import Promotion
    from tests import builders
    from tests.evals import large
    from tests.releases import crowded

    anonymous, manager = (Client(SERVER_NAME="localhost") for _ in range(2))
    manager.force_login(User.objects.get(username="release_manager"))
    latest = Promotion.objects.latest("requested_at").pk
    crowd = crowded.promotion(builders.cast(), 59, "crowded").pk
    ours, theirs = large.pair(10_000)
    cold, compared = _compared(manager, ours, theirs)
    pages = {
        "comparison": compared,
        "promotion": reverse("console-promotion", args=[latest]),
        "60 reasons": reverse("console-promotion", args=[crowd]),
        "60 in JSON": reverse("promotion", args=[crowd]),
    }
    return {
        "cold": {"ms": cold},
        "sign-in": _measure(lambda: anonymous.get(reverse("admin:login"))),
        "brief": _measure(lambda: manager.get(reverse("admin:index"))),
        "board": _measure(lambda: manager.get(reverse("console-board"))),
        **{name: _measure(partial(manager.get, path)) for name, path in pages.items()},
    }


def _compared(client: Any, ours: Any, theirs: Any) -> tuple[float, str]:
    """Milliseconds to compare the runs for the first time and show it; the page's address."""
    from django.urls import reverse

    from evals.services.comparisons import compare

    began = time.perf_counter()
    made = compare(candidate_run=ours, baseline_run=theirs)
    path = reverse("console-comparison", args=[made.pk])
    assert client.get(path).status_code == 200
    return (time.perf_counter() - began) * 1000, path


def _measure(get: Callable[[], Any]) -> dict[str, float]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    get()
    took_ms = []
    for _ in range(N_PAGES):
        began = time.perf_counter()
        answer = get()
        took_ms.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, answer
    with CaptureQueriesContext(connection) as queries:
        get()
    return {"ms": statistics.median(took_ms), "queries": len(queries)}


@contextmanager
def upstream() -> Iterator[str]:
    """The URL of a fast upstream in a process of its own."""
    command = [sys.executable, "-m", "tests.bench", "upstream"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def serve_upstream() -> None:
    """Answer every completion at once, the same each time."""
    import socket

    import uvicorn

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}/v1\n")
    sys.stdout.flush()
    config = uvicorn.Config(_answer, log_level="error", lifespan="off", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


async def _answer(scope: Any, receive: Any, send: Any) -> None:
    from tests.alpha.gateway.upstream import NAME

    while (await receive()).get("more_body"):
        pass
    models = json.dumps({"object": "list", "data": [{"id": NAME}]}).encode()
    body = models if scope["path"].endswith("/models") else ANSWER
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["upstream"]:
            serve_upstream()
        case ["pages"]:
            sys.stdout.write(json.dumps(measure_pages()))
        case _:
            sys.exit(main())
