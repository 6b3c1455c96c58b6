"""What the counters in Valkey hold, read as the scripts keep it."""

from __future__ import annotations

import struct

import redis

FORMAT = ">15d"
FIELDS = (
    *("seeded", "running", "minute", "minute_tokens", "minute_tokens_held"),
    *("day", "day_tokens", "day_tokens_held", "day_micros", "day_micros_held"),
    *("tokens", "tokens_held", "micros", "micros_held", "tidied"),
)
HELD = tuple(name for name in FIELDS if name.endswith("_held"))


def counters_of(redis_url: str, scope: str) -> dict[str, int]:
    """Every counter of a scope by name; all zero where nothing was counted yet."""
    with redis.Redis.from_url(redis_url) as client:
        raw = client.get(scope)
    numbers = struct.unpack(FORMAT, raw) if raw else (0,) * len(FIELDS)
    assert all(number == int(number) for number in numbers)
    return dict(zip(FIELDS, map(int, numbers), strict=True))


def holds_of(redis_url: str, scope: str) -> dict[str, float]:
    """The requests that have something reserved in a scope, with the end of their lease in ms."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        both = client.pipeline(transaction=True)
        held, told = (
            both.hgetall("slipway:hold").zrange("slipway:live", 0, -1, withscores=True).execute()
        )
    leases = dict(told)
    assert set(held) == set(leases)
    return {request: leases[request] for request, text in held.items() if scope in text.split()}


def is_free(redis_url: str, scope: str) -> bool:
    """Whether nothing is reserved in the scope, in none of its counters."""
    found = counters_of(redis_url, scope)
    held = [found[name] for name in (*HELD, "running")]
    return not any(held) and not holds_of(redis_url, scope)
