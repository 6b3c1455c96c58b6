"""What the gateway needs to run: PostgreSQL, Valkey, rows; and its processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

import psutil
import psycopg

from tests.bench_gateway.load import Target, chat
from tests.bench_gateway.mock import free_port

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = ("--loop", "uvloop", "--no-access-log", "--no-server-header")
GATEWAY, BARE = "infra.gateway_asgi:application", "tests.bench_gateway.bare:application"
# The gateway as the product starts it; the reference as uvicorn comes.
HTTP = {GATEWAY: "infra.http_protocol:HeadWithBody", BARE: "httptools"}
STREAMED = ("stream", "paced")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The services, and a partner whose grants have every limit, none of them in reach."""

    state: Path
    upstream: str
    key: str

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("SLIPWAY_")}
        bare = {"BENCH_KEY": self.key, "BENCH_UPSTREAM": self.upstream}
        return {**kept, **bare, "SLIPWAY_STATE_DIR": str(self.state)}

    @property
    def direct(self) -> dict[str, Target]:
        """The upstream itself, by kind of answer."""
        return {
            kind: Target(url=f"{self.upstream}/{kind}/v1", key=self.key)
            for kind in ("json", *STREAMED)
        }

    @contextmanager
    def server(self, application: str, workers: int = 1) -> Iterator[Target]:
        """uvicorn with that application, until the block ends."""
        port = free_port()
        http = ("--http", HTTP[application])
        command = [*(sys.executable, "-m", "uvicorn", application), *OPTIONS, *http]
        process = subprocess.Popen(
            [*command, *("--port", str(port), "--workers", str(workers), "--log-level", "warning")],
            cwd=ROOT,
            env=self.environment,
        )
        try:
            target = Target(url=f"http://127.0.0.1:{port}/v1", key=self.key)
            _wait_for(target, process)
            yield Target(url=target.url, key=self.key, processes=_workers(process, workers))
        finally:
            process.terminate()
            process.wait(20)


def _workers(process: subprocess.Popen[bytes], workers: int) -> list[psutil.Process]:
    parent = psutil.Process(process.pid)
    if workers == 1:
        return [parent]
    spawned = [each for each in parent.children() if "spawn_main" in " ".join(each.cmdline())]
    assert len(spawned) == workers, [each.cmdline() for each in parent.children()]
    return spawned


def _wait_for(target: Target, process: subprocess.Popen[bytes]) -> None:
    body = json.dumps(chat("bench-json")).encode()
    headers = {"authorization": f"Bearer {target.key}", "content-type": "application/json"}
    call = Request(f"{target.url}/chat/completions", body, headers)  # noqa: S310  our own server
    until = time.monotonic() + 60
    while True:
        try:
            with urlopen(call, timeout=5) as answer:  # noqa: S310
                answer.read()
                return
        except OSError as error:
            assert process.poll() is None, f"the server ended with {process.returncode}"
            assert time.monotonic() < until, f"the server does not answer: {error}"
            time.sleep(0.1)


@contextmanager
def running(state: Path, upstream: str) -> Iterator[Stack]:
    """PostgreSQL and Valkey under `state`, migrated, with the rows of the bench."""
    os.environ["SLIPWAY_STATE_DIR"] = str(state)
    os.environ["DJANGO_SETTINGS_MODULE"] = "infra.settings"
    from infra import embedded

    embedded.start_postgres(tethered=True)
    embedded.start_valkey(tethered=True)
    try:
        owner = {**os.environ, "SLIPWAY_DATABASE_ROLE": "owner"}
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0", "--no-input"]
        subprocess.run(migrate, cwd=ROOT, env=owner, check=True)
        yield Stack(state=state, upstream=upstream, key=_make_rows(upstream))
    finally:
        embedded.stop_valkey(force=True)
        embedded.stop_postgres(force=True)


def _make_rows(upstream: str) -> str:
    """A partner, granted three stages with every limit set; its key."""
    import django

    django.setup()
    from alpha.services import grants, keys, partners
    from tests.alpha.builders import ACTOR

    partner = partners.make_partner(actor=ACTOR, name="acme", contact_email="dev@acme.example")
    quotas = grants.Quotas(
        requests_per_minute=10**7,
        concurrent_requests=10**5,
        tokens_per_minute=10**10,
        tokens_per_day=10**12,
        budget_micros=10**14,
    )
    consent = grants.Consent(terms_version="1", accepted_by="Ada")
    for kind in ("json", *STREAMED):
        stage = _live(kind, f"{upstream}/{kind}/v1")
        grants.make_grant(actor=ACTOR, stage=stage, partner=partner, quotas=quotas, consent=consent)
    return keys.issue_key(actor=ACTOR, partner=partner)[1]


def _live(kind: str, base_url: str):  # noqa: ANN202  Django is not set up where this is read
    from infra import clock
    from releases.models import Codename, Price
    from tests import builders
    from tests.alpha.builders import release_of

    stage = builders.stage(f"bench-{kind}")
    # A hidden prompt is measured by whole answers, which the streamed places do not give.
    serving = {"sampling": {"temperature": 0, "seed": 7}}
    prompt = {"system_prompt": "You are brief."} if kind == "json" else {}
    checkpoint = builders.checkpoint(f"checkpoint-{kind}", serving={**serving, **prompt})
    builders.deployment(checkpoint, base_url)
    Price.objects.create(
        checkpoint=checkpoint,
        currency="USD",
        input_micros_per_million=150_000,
        cached_input_micros_per_million=75_000,
        output_micros_per_million=600_000,
        effective_at=clock.now(),
    )
    release_of(checkpoint, stage)
    Codename.objects.create(stage=stage, size="nano", name=f"bench-{kind}", opens_at=clock.now())
    return stage


def superuser() -> psycopg.Connection[tuple[object, ...]]:
    """A connection that may change PostgreSQL's own settings."""
    from infra import embedded

    return psycopg.connect(embedded.database_url("superuser"), autocommit=True)
