"""The worker's line to Valkey: every answer to whoever asked, or an error to all who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

from alpha.gateway.scripts import Scripts, keys_of
from alpha.gateway.valkey import Incomplete, Line, packed, parsed

# Since when; tokens and micros in all; those of a day, and which.
SPENT = (1, 6, 5, 6, 5, 20_000)
PING = b"*1\r\n" + packed([b"PING"])
ANSWERS: list[tuple[str, bytes, Any]] = [
    ("number", b":-12\r\n", -12),
    ("text", b"$5\r\nh\r\nl\xc3\r\n".replace(b"\xc3", b"o"), "h\r\nlo"),
    ("no text", b"$-1\r\n", None),
    ("empty text", b"$0\r\n\r\n", ""),
    ("word", b"+OK\r\n", "OK"),
    ("list", b"*3\r\n$0\r\n\r\n:5\r\n*1\r\n:6\r\n", ["", 5, [6]]),
]
Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.mark.parametrize(("name", "raw", "expected"), ANSWERS, ids=[a[0] for a in ANSWERS])
def test_an_answer_is_read_whole_and_waited_for_at_every_cut(
    name: str, raw: bytes, expected: Any
) -> None:
    assert parsed(b"xx" + raw + b"tail", 2) == (expected, 2 + len(raw))
    for cut in range(len(raw)):
        with pytest.raises(Incomplete):
            parsed(raw[:cut], 0)


def test_errors_are_values_of_their_own_kind() -> None:
    assert isinstance(parsed(b"-NOSCRIPT no such\r\n", 0)[0], NoScriptError)
    refused, _ = parsed(b"-ERR it is wrong\r\n", 0)
    assert type(refused) is ResponseError and "it is wrong" in str(refused)
    with pytest.raises(ValueError, match="begins with"):
        parsed(b"HTTP/1.1 400\r\n", 0)


def test_each_of_many_at_once_gets_its_own_answer(valkey: str) -> None:
    async def answers() -> list[Any]:
        async with Redis.from_url(valkey) as redis:
            line = await Line.open(redis, 5.0)
            sent = [b"*2\r\n" + packed([b"ECHO", f"word {n} ü"]) for n in range(500)]
            told = await asyncio.gather(*map(line.ask, sent))
            await line.close()
            return told

    assert _run(answers()) == [f"word {n} ü" for n in range(500)]


def test_answers_that_come_byte_by_byte_are_put_together() -> None:
    async def dribble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in b"*2\r\n:1\r\n$2\r\nab\r\n+OK\r\n":
            writer.write(bytes([byte]))
            await asyncio.sleep(0.001)

    async def asked(line: Line) -> Any:
        return await asyncio.gather(line.ask(PING), line.ask(PING))

    assert _run(_before(dribble, asked)) == [[1, "ab"], "OK"]


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(2**16)
    await asyncio.sleep(20)


async def _garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()


async def _unasked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b":1\r\n" * 9)
    await writer.drain()


async def _half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"$100\r\nhalf")
    await writer.drain()
    writer.close()


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (_silent, TimeoutError),
        (_garbage, ConnectionError),
        (_half, ConnectionError),
    ],
    ids=["silent", "garbage", "half an answer"],
)
def test_everyone_who_waits_hears_of_a_line_that_broke(
    behaviour: Behaviour, error: type[Exception]
) -> None:
    async def asked(line: Line) -> list[Any]:
        told = await asyncio.gather(*(line.ask(PING) for _ in range(3)), return_exceptions=True)
        assert not line.is_open
        return [*told, *await asyncio.gather(line.ask(PING), return_exceptions=True)]

    *first, later = _run(_before(behaviour, asked))
    assert [type(each) for each in first] and all(isinstance(each, error) for each in first)
    assert isinstance(later, ConnectionError)


def test_answers_nobody_asked_for_end_the_line() -> None:
    async def asked(line: Line) -> bool:
        await line.ask(PING)
        await asyncio.sleep(0.05)
        return line.is_open

    assert _run(_before(_unasked, asked)) is False


def test_an_answer_nobody_waits_for_any_more_is_not_given_to_the_next(valkey: str) -> None:
    async def answers() -> Any:
        async with Redis.from_url(valkey) as redis:
            line = await Line.open(redis, 5.0)
            line.ask(b"*2\r\n" + packed([b"ECHO", "left"])).cancel()
            told = await line.ask(b"*2\r\n" + packed([b"ECHO", "stayed"]))
            await line.close()
            return told

    assert _run(answers()) == "stayed"


def test_scripts_go_on_over_a_new_connection_and_after_a_flush(valkey: str) -> None:
    async def answers() -> list[Any]:
        async with Redis.from_url(valkey, decode_responses=True) as redis:
            scripts, scope = Scripts(redis, 5.0), keys_of("slipway:again")
            await redis.delete("slipway:again")
            told = [await scripts.run("seed", scope, SPENT)]
            await redis.script_flush()
            told.append(await scripts.run("seed", scope, SPENT))
            assert scripts._line is not None
            scripts._line._transport.abort()
            await asyncio.sleep(0.05)
            opened = asyncio.gather(*(scripts.run("seed", scope, SPENT) for _ in range(20)))
            told += await opened
            await scripts.close()
            return told

    assert _run(answers()) == [1, *[0] * 21]


async def _before(behaviour: Behaviour, asked: Callable[[Line], Awaitable[Any]]) -> Any:
    """What `asked` says on a line to a server that behaves so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        await behaviour(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    # Nothing is said at the opening.
    redis = Redis(host="127.0.0.1", port=port, protocol=2, driver_info=None)
    line = await Line.open(redis, 0.5)
    try:
        return await asked(line)
    finally:
        await line.close()
        server.close()


def _run(work: Awaitable[Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 15))  # type: ignore[arg-type]
