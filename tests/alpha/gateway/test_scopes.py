"""Limits of keys and partners beside those of grants: all of them let a call in, or none."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
import redis

from alpha.gateway.config import GatewayConfig
from alpha.gateway.scopes import names_of, scope_of_key, scope_of_partner
from alpha.models import Grant, Key, Partner, UsageEvent
from alpha.quotas import NAMES, Quotas
from alpha.services import keys, limits
from infra import clock
from tests.alpha.builders import ACTOR, Access
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.counted import counters_of, is_free
from tests.alpha.gateway.server import Running, running, wait_for
from tests.alpha.gateway.test_limits import price
from tests.alpha.gateway.upstream import Upstream

Answers = Counter[tuple[int, str]]
HOLDERS: dict[str, type[Key] | type[Partner] | type[Grant]] = {
    "key": Key,
    "partner": Partner,
    "grant": Grant,
}
ADMITTED = (200, "")


@pytest.fixture
def workers(config: GatewayConfig, gateway: Running) -> Iterator[list[Running]]:
    """Two of them."""
    with running(config) as second:
        yield [gateway, second]


@pytest.fixture
def other_key(granted: Access) -> str:
    """A second key of the same partner."""
    return keys.issue_key(actor=ACTOR, partner=granted.partner)[1]


def limit(granted: Access, workers: list[Running], of: str, **limits: int | None) -> None:
    """Set limits of one scope, and wait until every worker knows."""
    row = {"key": granted.key, "partner": granted.partner, "grant": granted.grant}[of]
    wanted = Quotas(**limits)
    fields: dict[str, Any] = {name: getattr(wanted, name) for name in NAMES}
    if of != "grant":
        fields["limited_since"] = clock.now() if wanted.is_limited else None
    HOLDERS[of].objects.filter(pk=row.pk).update(**fields)
    for worker in workers:
        wait_for(lambda worker=worker: known(worker, granted, of) == wanted, "the limit is known")


def known(worker: Running, granted: Access, of: str) -> Quotas:
    table = worker.parts.tables.table
    assert table is not None
    key = table.keys[granted.key.public]
    if of == "grant":
        return table.grants[granted.partner.pk, granted.stage.pk][0].quotas
    return key.quotas if of == "key" else key.partner_quotas


def at_once(workers: list[Running], key_texts: list[str], n_calls: int, **fields: Any) -> Answers:
    """So many calls at the same time, by every worker and key: status and refusing scope."""

    async def all_of_them() -> list[tuple[int, str]]:
        async with aiohttp.ClientSession() as session:
            return await asyncio.gather(
                *[
                    _ask(session, workers[n % len(workers)], key_texts[n // 2 % len(key_texts)])
                    for n in range(n_calls)
                ]
            )

    async def _ask(session: aiohttp.ClientSession, worker: Running, key: str) -> tuple[int, str]:
        headers = {"authorization": f"Bearer {key}"}
        url = f"{worker.url}/chat/completions"
        async with session.post(url, json=chat(**fields), headers=headers) as reply:
            body = await reply.read()
            told = body.decode()
        named = [of for of in HOLDERS if f"this {of}" in told]
        return reply.status, "" if reply.status == 200 else " ".join(named)

    return Counter(asyncio.run(all_of_them()))


def calls_in(config: GatewayConfig, granted: Access) -> dict[str, int]:
    """How many requests count in the minute of each scope."""
    names = names_of(granted.key.pk, granted.partner.pk, granted.grant.pk)
    with redis.Redis.from_url(config.redis_url) as client:
        counts = [client.zcard(f"{name}:calls") for name in names]
    return dict(zip(HOLDERS, counts, strict=True))


def test_a_keys_minute_is_its_own(granted: Access, workers: list[Running], other_key: str) -> None:
    limit(granted, workers, "key", requests_per_minute=7)
    answers = at_once(workers, [granted.key_text, other_key], 64)
    assert answers == {ADMITTED: 7 + 32, (429, "key"): 25}


def test_a_partners_minute_is_shared_by_its_keys(
    granted: Access, workers: list[Running], other_key: str
) -> None:
    limit(granted, workers, "partner", requests_per_minute=20)
    answers = at_once(workers, [granted.key_text, other_key], 64)
    assert answers == {ADMITTED: 20, (429, "partner"): 44}


def test_what_one_scope_refuses_counts_in_none(
    granted: Access, workers: list[Running], config: GatewayConfig
) -> None:
    limit(granted, workers, "key", requests_per_minute=50, budget_micros=10**9)
    limit(granted, workers, "partner", requests_per_minute=9, concurrent_requests=60)
    limit(granted, workers, "grant", requests_per_minute=60, tokens_per_day=10**9)
    assert at_once(workers, [granted.key_text], 40) == {ADMITTED: 9, (429, "partner"): 31}
    assert calls_in(config, granted) == {"key": 9, "partner": 9, "grant": 9}
    for name in names_of(granted.key.pk, granted.partner.pk, granted.grant.pk):
        assert is_free(config.redis_url, name)


def test_a_partners_streams_at_once_are_shared_by_its_keys(
    granted: Access, workers: list[Running], other_key: str, upstream: Upstream
) -> None:
    limit(granted, workers, "partner", concurrent_requests=6)
    limit(granted, workers, "key", concurrent_requests=50)
    # Longer than it takes to let all of them in.
    upstream.behaviour.delay_s = 3.0
    both = [granted.key_text, other_key]
    assert at_once(workers, both, 64, stream=True) == {ADMITTED: 6, (429, "partner"): 58}
    upstream.behaviour.delay_s = 0
    assert at_once(workers, both, 6) == {ADMITTED: 6}


@pytest.mark.parametrize(
    "name",
    [
        "budget_micros",
        pytest.param("budget_micros_per_day", marks=pytest.mark.long),
        pytest.param("tokens_total", marks=pytest.mark.long),
    ],
)
def test_two_hundred_calls_against_a_partners_budget_of_fifty_admit_fifty(
    granted: Access, workers: list[Running], other_key: str, config: GatewayConfig, name: str
) -> None:
    price(granted, 1_000_000, *workers)
    # Three words an answer, one micro a word; eleven tokens with the prompt's.
    once = 11 if name == "tokens_total" else 3
    limit(granted, workers, "partner", **{name: 50 * once})
    limit(granted, workers, "grant", budget_micros=10**9)
    both = [granted.key_text, other_key]
    answers: Answers = Counter()
    # A token bound is larger than what is used: as much as is free is let in each time.
    while (found := at_once(workers, both, 200, max_tokens=3))[ADMITTED]:
        answers += found
        assert set(found) <= {ADMITTED, (402, "partner")}
    if name == "tokens_total":
        # What is left is less than one call's bound of some eighty tokens.
        assert 50 - 80 // 11 <= answers[ADMITTED] <= 50
    else:
        assert answers == {ADMITTED: 50, (402, "partner"): 150}
    wait_for(lambda: UsageEvent.objects.count() == answers[ADMITTED], "all usage landed")
    found = counters_of(config.redis_url, scope_of_partner(granted.partner.pk))
    assert found["micros"] == found["day_micros"] == 3 * answers[ADMITTED]
    assert found["tokens"] == found["day_tokens"] == 11 * answers[ADMITTED]
    assert is_free(config.redis_url, scope_of_partner(granted.partner.pk))


def test_a_new_budget_knows_what_was_spent_before_it_and_while_there_was_none(
    granted: Access, workers: list[Running], config: GatewayConfig, other_key: str
) -> None:
    price(granted, 1_000_000, *workers)
    ask = lambda n: at_once(workers, [granted.key_text], n, max_tokens=3)  # noqa: E731
    scope = scope_of_key(granted.key.pk)
    assert ask(4) == {ADMITTED: 4}
    assert at_once(workers, [other_key], 5, max_tokens=3) == {ADMITTED: 5}
    wait_for(lambda: UsageEvent.objects.count() == 9, "all usage landed")
    limit(granted, workers, "key", budget_micros=18)
    assert ask(1) == {ADMITTED: 1}
    assert counters_of(config.redis_url, scope)["micros"] == 15
    assert ask(4) == {ADMITTED: 1, (402, "key"): 3}
    limit(granted, workers, "key")
    assert ask(3) == {ADMITTED: 3}
    wait_for(lambda: UsageEvent.objects.count() == 14, "all usage landed")
    limit(granted, workers, "key", budget_micros=30)
    assert ask(4) == {ADMITTED: 1, (402, "key"): 3}
    assert counters_of(config.redis_url, scope)["micros"] == 30


def test_a_limit_that_is_added_to_others_is_told_what_was_used(
    granted: Access, workers: list[Running], config: GatewayConfig
) -> None:
    limit(granted, workers, "partner", requests_per_minute=1000)
    assert at_once(workers, [granted.key_text], 4, max_tokens=3) == {ADMITTED: 4}
    wait_for(lambda: UsageEvent.objects.count() == 4, "all usage landed")
    limit(granted, workers, "partner", requests_per_minute=1000, tokens_per_day=10**6)
    scope = scope_of_partner(granted.partner.pk)
    url = config.redis_url
    wait_for(lambda: counters_of(url, scope)["day_tokens"] == 44, "the counters know the day")
    assert at_once(workers, [granted.key_text], 1, max_tokens=3) == {ADMITTED: 1}
    assert counters_of(url, scope)["day_tokens"] == 55


def test_nothing_is_counted_where_nothing_is_limited(
    granted: Access, workers: list[Running], config: GatewayConfig
) -> None:
    limit(granted, workers, "grant", requests_per_minute=1000)
    assert at_once(workers, [granted.key_text], 2) == {ADMITTED: 2}
    with redis.Redis.from_url(config.redis_url) as client:
        names = names_of(granted.key.pk, granted.partner.pk, granted.grant.pk)
        assert [client.exists(name) for name in names] == [0, 0, 1]


def test_limits_of_a_grant_hold_on_every_worker_once_they_are_set(
    granted: Access, workers: list[Running]
) -> None:
    """Fewer, none, then fewer again: what was used while nothing was limited counts too."""

    def set_to(**wanted: int) -> None:
        quotas = Quotas(**wanted)
        limits.set_grant_limits(actor=ACTOR, grant=granted.grant, quotas=quotas, reason="a test")
        for worker in workers:
            wait_for(lambda worker=worker: known(worker, granted, "grant") == quotas, "it is known")

    set_to(tokens_total=10**9, requests_per_minute=3)
    assert at_once(workers, [granted.key_text], 8) == {ADMITTED: 3, (429, "grant"): 5}
    set_to()
    assert at_once(workers, [granted.key_text], 8) == {ADMITTED: 8}
    wait_for(lambda: UsageEvent.objects.count() == 11, "all of them have landed")
    spent = sum(UsageEvent.objects.values_list("tokens_out", flat=True))
    set_to(tokens_total=spent)
    assert at_once(workers, [granted.key_text], 2) == {(402, "grant"): 2}
