"""The six `x-ratelimit-*` headers: on every answer to a known key, true, and on no other."""

from __future__ import annotations

from collections.abc import Callable

import httpx2 as httpx
import pytest
from redis.asyncio import Redis

from alpha.gateway.config import GatewayConfig
from alpha.gateway.rates import ENDLESS, Rates
from alpha.gateway.scopes import Of, Scope
from alpha.gateway.scripts import Scripts
from alpha.keys import make_key
from alpha.models import Grant
from alpha.quotas import Quotas
from infra import clock
from infra.ids import uuid7
from releases.models import Codename, Release
from tests import builders
from tests.alpha.builders import Access
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.server import Running, running, wait_for
from tests.alpha.gateway.test_limits import NOWHERE
from tests.alpha.gateway.test_scopes import limit
from tests.alpha.gateway.upstream import Upstream

NAMES = [
    f"x-ratelimit-{number}-{of}"
    for of in ("requests", "tokens")
    for number in ("limit", "remaining", "reset")
]
NO_LIMIT = ENDLESS.decode()
Ask = Callable[[httpx.Client], httpx.Response]


def rates(reply: httpx.Response) -> dict[str, str]:
    """The headers of that family, without their common beginning; each comes once."""
    found = [name for name in reply.headers if name.startswith("x-ratelimit")]
    assert sorted(found) == sorted(NAMES), (reply.status_code, found)
    return {name.removeprefix("x-ratelimit-"): reply.headers[name] for name in NAMES}


def post(path: str, **body: object) -> Ask:
    return lambda http: http.post(path, json=body)


def remark() -> dict[str, object]:
    """About a call that may just have been made: an older one would be known."""
    return {"request_id": str(uuid7()), "thumbs_up": True}


ASKED: list[tuple[str, int, Ask]] = [
    ("models", 200, lambda http: http.get("/models")),
    ("model", 200, lambda http: http.get("/models/quasar-alpha")),
    ("unknown model", 404, lambda http: http.get("/models/nebula-beta")),
    ("usage", 200, lambda http: http.get("/usage")),
    ("usage badly asked", 400, lambda http: http.get("/usage?begin=1")),
    ("releases", 200, lambda http: http.get("/releases")),
    ("notices", 200, lambda http: http.get("/notices")),
    ("unknown notice", 404, lambda http: http.post(f"/notices/{uuid7()}/ack")),
    ("feedback", 200, lambda http: post("/feedback", **remark())(http)),
    ("bad feedback", 400, post("/feedback", request_id=7)),
    ("unknown feedback", 404, lambda http: http.get(f"/feedback/{uuid7()}")),
    ("wrong method", 405, lambda http: http.get("/chat/completions")),
    ("unknown path", 404, lambda http: http.post("/images/generations", json={})),
    ("no json", 400, lambda http: http.post("/chat/completions", content=b"{")),
    ("unknown field", 400, post("/chat/completions", **chat(colour="red"))),
    ("unknown codename", 404, post("/chat/completions", **chat(model="nebula-beta"))),
    ("too large", 413, lambda http: http.post("/embeddings", content=b"x" * 2000)),
]


@pytest.fixture
def small(config: GatewayConfig, granted: Access) -> Running:
    """A gateway that takes small bodies alone."""
    with running(config, body_limit_bytes=1500) as server:
        yield server


@pytest.fixture
def client(small: Running, granted: Access) -> httpx.Client:
    headers = {"authorization": f"Bearer {granted.key_text}"}
    with httpx.Client(base_url=small.url, headers=headers, timeout=20) as found:
        yield found


def test_every_answer_tells_the_tightest_limit_as_it_is(
    client: httpx.Client, small: Running, granted: Access
) -> None:
    limit(granted, [small], "key", requests_per_minute=100, tokens_per_minute=10**6)
    limit(granted, [small], "partner", requests_per_minute=50)
    limit(granted, [small], "grant", requests_per_minute=60, tokens_per_minute=5000)
    for n_calls in (1, 2):
        told = rates(client.post("/chat/completions", json=chat(max_tokens=3)))
        assert (told["limit-requests"], told["limit-tokens"]) == ("50", "5000")
        assert told["remaining-requests"] == str(50 - n_calls)
        assert 0 < int(told["remaining-tokens"]) < 5000
    used = 5000 - 2 * 11
    for name, status, ask in ASKED:
        reply = ask(client)
        assert reply.status_code == status, (name, reply.text)
        told = rates(reply)
        assert (told["limit-requests"], told["remaining-requests"]) == ("50", "48"), name
        assert told["limit-tokens"] == "5000", name
        # Another minute of the clock may have begun.
        assert told["remaining-tokens"] in (str(used), "5000"), name
        assert told["reset-requests"].endswith("s") and told["reset-tokens"].endswith("s"), name


def test_without_limits_every_answer_says_so(client: httpx.Client) -> None:
    endless = {
        f"{number}-{of}": told
        for of in ("requests", "tokens")
        for number, told in (("limit", NO_LIMIT), ("remaining", NO_LIMIT), ("reset", "0s"))
    }
    for name, status, ask in ASKED:
        reply = ask(client)
        assert (reply.status_code, rates(reply)) == (status, endless), name
    for stream in (False, True):
        assert rates(client.post("/chat/completions", json=chat(stream=stream))) == endless


def test_refusals_and_failures_tell_them_too(
    http: httpx.Client, gateway: Running, granted: Access, upstream: Upstream
) -> None:
    limit(granted, [gateway], "grant", requests_per_minute=5)
    ask = post("/chat/completions", **chat())
    upstream.behaviour.raw, upstream.behaviour.status = "broken", 500
    failed = ask(http)
    assert (failed.status_code, rates(failed)["remaining-requests"]) == (502, "4")
    upstream.behaviour.raw = None
    for left in (3, 2, 1, 0):
        assert rates(ask(http))["remaining-requests"] == str(left)
    over = ask(http)
    assert over.status_code == 429 and rates(over)["remaining-requests"] == "0"
    assert rates(http.get("/models"))["remaining-requests"] == "0"
    limit(granted, [gateway], "key", tokens_total=1)
    limit(granted, [gateway], "grant", requests_per_minute=100)
    spent = ask(http)
    assert spent.status_code == 402 and rates(spent)["remaining-requests"] == "95"
    for change, status in (
        (lambda: Release.objects.update(state="halted"), 503),
        (lambda: Grant.objects.update(terms_accepted_at=None), 403),
    ):
        change()
        wait_for(lambda status=status: ask(http).status_code == status, "the change is known")
        rates(ask(http))


def test_a_grant_that_can_not_be_called_sets_no_limit(
    http: httpx.Client, gateway: Running, granted: Access
) -> None:
    limit(granted, [gateway], "grant", requests_per_minute=5)
    assert rates(http.get("/models"))["limit-requests"] == "5"
    Grant.objects.update(terms_accepted_at=None)
    wait_for(lambda: rates(http.get("/models"))["limit-requests"] == NO_LIMIT, "it is known")


def test_an_ungranted_codename_answers_as_one_that_does_not_exist(
    http: httpx.Client, gateway: Running, granted: Access
) -> None:
    limit(granted, [gateway], "grant", requests_per_minute=5)
    beta = builders.stage("beta")
    Codename.objects.create(stage=beta, size="nano", name="pulsar-alpha", opens_at=clock.now())
    table = gateway.parts.tables
    wait_for(lambda: table.table and "pulsar-alpha" in table.table.codenames, "it is known")
    told = []
    for name in ("pulsar-alpha", "nebula-alpha"):
        for ask in (
            post("/chat/completions", **chat(model=name)),
            lambda http, name=name: http.get(f"/models/{name}"),
        ):
            reply = ask(http)
            kept = [(k, v) for k, v in reply.headers.raw if k not in (b"x-request-id", b"date")]
            body = reply.content.replace(name.encode(), b"NAME")
            told.append((reply.status_code, kept, body))
    assert told[:2] == told[2:]


def test_no_answer_to_an_unknown_key_tells_any(gateway: Running, granted: Access) -> None:
    limit(granted, [gateway], "key", requests_per_minute=5)
    wrong = granted.key_text[:-1] + ("a" if granted.key_text[-1] != "a" else "b")
    before = gateway.gateway.failed_keys.n_failed
    for key in (make_key()[2], wrong, "nonsense", None):
        headers = {"authorization": f"Bearer {key}"} if key else {}
        with httpx.Client(base_url=gateway.url, headers=headers) as stranger:
            for name, _, ask in ASKED:
                reply = ask(stranger)
                assert reply.status_code in (401, 404, 405, 429), name
                assert not [k for k in reply.headers if k.startswith("x-ratelimit")], name
            assert stranger.get("/nothing").status_code == 404
    # A wrong key counts as one on unknown paths too.
    assert gateway.gateway.failed_keys.n_failed - before > 3 * len(ASKED)


def test_without_counters_they_tell_what_was_heard_last(
    granted: Access, config: GatewayConfig
) -> None:
    headers = {"authorization": f"Bearer {granted.key_text}"}
    with running(config, local_allowance=2) as worker:
        limit(granted, [worker], "grant", requests_per_minute=1000)
        with httpx.Client(base_url=worker.url, headers=headers, timeout=20) as http:
            ask = post("/chat/completions", **chat())
            assert rates(ask(http))["remaining-requests"] == "999"
            worker.parts.limits._scripts = Scripts(Redis.from_url(NOWHERE))
            replies = [http.get("/models"), *(ask(http) for _ in range(3))]
            assert [reply.status_code for reply in replies] == [200, 200, 200, 503]
            for reply in replies:
                assert rates(reply)["remaining-requests"] == "999"
    with running(config, redis_url=NOWHERE) as worker:
        with httpx.Client(base_url=worker.url, headers=headers, timeout=20) as http:
            # Nothing was heard yet, and nothing is let in.
            for reply in (http.get("/models"), ask(http)):
                told = rates(reply)
                assert (told["limit-requests"], told["remaining-requests"]) == ("1000", "0")
                assert told["reset-requests"] == "2s" and told["limit-tokens"] == NO_LIMIT


def scope(name: str, **limits: int) -> Scope:
    return Scope(name=name, of=Of.KEY, quotas=Quotas(**limits), since=1, partner_id=uuid7())


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        ((-1, 0, -1), (b"0", b"2s")),
        ((3, 0, -1), (b"3", b"0s")),
        ((3, 300, -1), (b"3", b"299ms")),
        ((3, 59_500, -1), (b"3", b"1m0s")),
        ((3, 7_000, -1), (b"3", b"7s")),
        # The limit was lowered since.
        ((40, 7_000, -1), (b"10", b"7s")),
    ],
)
def test_the_headers_of_one_scope(
    heard: tuple[int, int, int], expected: tuple[bytes, bytes]
) -> None:
    found, told = scope("a", requests_per_minute=10), Rates(iter([5.0, 5.0005]).__next__)
    told.hear([found], heard, 60_000)
    headers = dict(told.headers([found]))
    assert headers[b"x-ratelimit-remaining-requests"] == expected[0]
    assert headers[b"x-ratelimit-reset-requests"] == expected[1]


def test_the_tightest_is_told_of_each_kind() -> None:
    scopes = [
        scope("a", requests_per_minute=10, tokens_per_minute=900),
        scope("b", requests_per_minute=30),
        scope("c", tokens_per_minute=500),
    ]
    told = Rates()
    told.hear(scopes, (7, 9000, 400, 6, 8000, -1, -1, 0, 450), 30_000)
    headers = dict(told.headers(scopes))
    assert headers[b"x-ratelimit-limit-requests"] == b"30"
    assert headers[b"x-ratelimit-remaining-requests"] == b"6"
    assert headers[b"x-ratelimit-limit-tokens"] == b"900"
    assert headers[b"x-ratelimit-remaining-tokens"] == b"400"
    told.forget_all_but(["c"])
    headers = dict(told.headers(scopes))
    assert headers[b"x-ratelimit-remaining-requests"] == b"0"
