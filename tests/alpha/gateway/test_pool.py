"""The client of upstreams against servers that answer byte by byte what a test tells them."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from alpha.gateway.exchange import Disconnected, NotHttp, TooLong
from alpha.gateway.pool import ConnectTimeout, Pool, target_of

WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
OPEN = b"HTTP/1.1 200 OK\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Answers each request by the next of `answers`: bytes, or a coroutine; then it hangs up."""

    def __init__(self, answers: list[bytes | Answering]) -> None:
        self._answers = answers
        self.heads: list[bytes] = []
        self.n_connections = 0
        self.port = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.n_connections += 1
        try:
            while self._answers:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length))
                self.heads.append(head)
                answer = self._answers.pop(0)
                if isinstance(answer, bytes):
                    writer.write(answer)
                    await writer.drain()
                else:
                    await answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def talking(
    *answers: bytes | Answering, **limits: Any
) -> AsyncIterator[tuple[Pool, Any, Server]]:
    server = Server(list(answers))
    listening = await asyncio.start_server(server, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    times = {"connect_s": 10.0, "silence_s": 10.0, "whole_call_s": 10.0, **limits}
    pool = Pool(**times)
    pool.open()
    try:
        yield pool, target_of(f"http://127.0.0.1:{server.port}/v1/x", "hidden"), server
    finally:
        await pool.close()
        listening.close()


def test_kept_connections_are_used_again() -> None:
    async def scenario() -> None:
        async with talking(WHOLE, CHUNKED + b"1\r\no\r\n1\r\nk\r\n0\r\n\r\n") as (pool, to, server):
            for _ in range(2):
                response = await pool.post(to, b"{}")
                assert await response.read(10) == b"ok"
            assert server.n_connections == 1 and (len(pool), pool.n_free) == (1, 1)
            assert b"authorization: Bearer hidden\r\ncontent-length: 2\r\n" in server.heads[1]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", NotHttp),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 5\r\n\r\nok", NotHttp),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\nok", NotHttp),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nok", NotHttp),
        (b"HTTP/1.1 200 OK\r\n" + b"x: %b\r\n" % (b"y" * 70_000), NotHttp),
        (CHUNKED + b"zz\r\n", NotHttp),
        (CHUNKED + b"5\r\nhal", Disconnected),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", Disconnected),
        (b"HTTP/1.1 200 O", Disconnected),
        (b"", Disconnected),
    ],
    ids=[
        *("another-protocol", "two-lengths", "length-and-chunks", "compressed", "endless-head"),
        *("no-chunk", "half-a-chunk", "half-a-body", "half-a-head", "nothing"),
    ],
)
def test_what_is_no_whole_answer_is_an_error(answer: bytes, error: type[OSError]) -> None:
    async def scenario() -> None:
        async with talking(answer) as (pool, to, _):
            with pytest.raises(error):
                response = await pool.post(to, b"{}")
                await response.read(10**6)
            await asyncio.sleep(0)
            assert pool.n_free == 0

    asyncio.run(scenario())


def test_a_body_may_end_with_its_connection() -> None:
    async def scenario() -> None:
        async with talking(OPEN + b"ok") as (pool, to, _):
            response = await pool.post(to, b"{}")
            assert [part async for part in response.parts()] == [b"ok"]
            assert pool.n_free == 0

    asyncio.run(scenario())


def test_informational_answers_are_passed_over() -> None:
    async def scenario() -> None:
        early = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
        async with talking(b"HTTP/1.1 100 Continue\r\n\r\n" + early + WHOLE) as (pool, to, _):
            response = await pool.post(to, b"{}")
            assert (response.status, response.header(b"link")) == (200, "")
            assert await response.read(10) == b"ok"

    asyncio.run(scenario())


def test_bytes_that_nobody_asked_for_are_never_the_next_answer() -> None:
    """Two answers to one request: the second must not be given to whoever asks next."""

    async def scenario() -> None:
        other = WHOLE.replace(b"ok", b"no")
        async with talking(WHOLE + other, WHOLE) as (pool, to, server):
            first = await pool.post(to, b"{}")
            assert await first.read(10) == b"ok"
            second = await pool.post(to, b"{}")
            assert await second.read(10) == b"ok"
            assert server.n_connections == 2

    asyncio.run(scenario())


def test_late_bytes_on_a_kept_connection_end_it() -> None:
    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(WHOLE)
        await asyncio.sleep(0.05)
        writer.write(WHOLE.replace(b"ok", b"no"))
        await reader.read()

    async def scenario() -> None:
        async with talking(late, WHOLE) as (pool, to, server):
            assert await (await pool.post(to, b"{}")).read(10) == b"ok"
            async with asyncio.timeout(10):
                while len(pool):
                    await asyncio.sleep(0.01)
            assert await (await pool.post(to, b"{}")).read(10) == b"ok"
            assert server.n_connections == 2

    asyncio.run(scenario())


def test_a_kept_connection_that_was_closed_is_replaced_and_a_new_one_is_not() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def scenario() -> None:
        async with talking(WHOLE, hang_up, WHOLE, hang_up, hang_up) as (pool, to, server):
            for _ in range(2):
                assert await (await pool.post(to, b"{}")).read(10) == b"ok"
            assert (server.n_connections, len(server.heads)) == (2, 3)
            with pytest.raises(Disconnected):
                await pool.post(to, b"{}")
            assert len(server.heads) == 5

    asyncio.run(scenario())


@pytest.mark.parametrize("begins", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"])
@pytest.mark.parametrize("limit", ["silence_s", "whole_call_s"])
def test_answers_that_do_not_come_end_in_time(begins: bytes, limit: str) -> None:
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begins)
        await reader.read()

    async def scenario() -> None:
        async with talking(stall, **{limit: 0.1}) as (pool, to, _):
            with pytest.raises(TimeoutError, match=r"0\.1 s"):
                async with asyncio.timeout(30):
                    await (await pool.post(to, b"{}")).read(100)

    asyncio.run(scenario())


def test_who_leaves_takes_the_connection_along() -> None:
    gone = asyncio.Event()

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + b"2\r\nok\r\n")
        await reader.read()
        gone.set()

    async def scenario() -> None:
        async with talking(stream) as (pool, to, _):
            response = await pool.post(to, b"{}")
            assert await anext(response.parts()) == b"ok"
            response.close()
            await asyncio.wait_for(gone.wait(), 30)
            assert len(pool) == 0

    asyncio.run(scenario())


def test_who_is_cancelled_before_the_answer_takes_the_connection_along() -> None:
    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        gone.set()

    async def scenario() -> None:
        async with talking(silent) as (pool, to, server):
            asking = asyncio.create_task(pool.post(to, b"{}"))
            while not server.heads:
                await asyncio.sleep(0.01)
            asking.cancel()
            await asyncio.wait_for(gone.wait(), 30)

    asyncio.run(scenario())


def test_nobody_waits_for_ever_when_the_client_is_closed() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def scenario() -> None:
        async with talking(silent) as (pool, to, server):
            asking = asyncio.create_task(pool.post(to, b"{}"))
            while not server.heads:
                await asyncio.sleep(0.01)
            await pool.close()
            with pytest.raises(Disconnected, match="closed here"):
                await asyncio.wait_for(asking, 30)

    asyncio.run(scenario())


def test_an_answer_that_nobody_reads_is_not_held_in_memory() -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(OPEN)
        for _ in range(400):
            writer.write(b"x" * 2**16)
            await writer.drain()
            sent += 2**16
        writer.close()

    async def scenario() -> None:
        async with talking(flood, silence_s=0.2) as (pool, to, _):
            response = await pool.post(to, b"{}")
            # Longer than the silence that is allowed: nobody is silent who is not listened to.
            await asyncio.sleep(0.6)
            assert response._unread < 2**20 and sent < 400 * 2**16
            assert sum([len(part) async for part in response.parts()]) == 400 * 2**16

    asyncio.run(scenario())


def test_an_answer_that_is_too_long_is_not_read_to_its_end() -> None:
    async def scenario() -> None:
        async with talking(OPEN + b"x" * 2**20) as (pool, to, _):
            response = await pool.post(to, b"{}")
            with pytest.raises(TooLong):
                await response.read(1000)

    asyncio.run(scenario())


def test_a_place_that_takes_no_connection_is_told_apart() -> None:
    async def scenario() -> None:
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            refusing = target_of(f"http://127.0.0.1:{full.getsockname()[1]}/v1")
            pool = Pool(connect_s=0.1, silence_s=1, whole_call_s=1)
            with pytest.raises(ConnectionRefusedError):
                await pool.post(refusing, b"{}")
            full.listen(0)
            with socket.create_connection(full.getsockname()), pytest.raises(ConnectTimeout):
                async with asyncio.timeout(20):
                    # The queue of one takes a few more; then nobody answers.
                    waiting = [pool.post(refusing, b"{}") for _ in range(8)]
                    await asyncio.gather(*waiting)
            await pool.close()

    asyncio.run(scenario())


def test_only_certificates_that_somebody_vouches_for_are_taken(tmp_path: Path) -> None:
    """An authority of the test's own, unknown first and known then; its name must fit too."""
    certificate = self_signed(tmp_path, "127.0.0.1")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate)

    async def scenario() -> None:
        server = Server([WHOLE])
        listening = await asyncio.start_server(server, "127.0.0.1", 0, ssl=serving)
        port = listening.sockets[0].getsockname()[1]
        pool = Pool(connect_s=10, silence_s=10, whole_call_s=10)
        with pytest.raises(ssl.SSLCertVerificationError, match="self-signed"):
            await pool.post(target_of(f"https://127.0.0.1:{port}/v1"), b"{}")
        pool._tls.load_verify_locations(certificate)
        with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
            await pool.post(target_of(f"https://localhost:{port}/v1"), b"{}")
        assert server.heads == []
        response = await pool.post(target_of(f"https://127.0.0.1:{port}/v1"), b"{}")
        assert await response.read(10) == b"ok"
        await pool.close()
        listening.close()

    asyncio.run(scenario())


def self_signed(folder: Path, address: str) -> Path:
    """A certificate for that address with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "upstream of a test")])
    day, now = timedelta(days=1), datetime.now(UTC)
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=now - day,
        not_valid_after=now + day,
    )
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
    made = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    pem, path = serialization.Encoding.PEM, folder / "upstream.pem"
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(pem) + private)
    return path


@pytest.mark.parametrize("secret", ["a\r\nhost: b", "ключ", "a\0b"])
def test_a_secret_never_breaks_out_of_its_header(secret: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        target_of("http://upstream.example/v1", secret)


def test_heads_name_host_port_and_path() -> None:
    plain = target_of("http://upstream.example/v1/chat/completions").head
    assert plain.startswith(b"POST /v1/chat/completions HTTP/1.1\r\nhost: upstream.example\r\n")
    assert b"authorization" not in plain
    six = target_of("https://[::1]:8443/v1")
    assert (six.origin.host, six.origin.port, six.origin.is_tls) == ("::1", 8443, True)
    assert b"host: [::1]:8443\r\n" in six.head
    assert b"host: xn--bcher-kva.example\r\n" in target_of("http://bücher.example/v1").head
    assert b"POST /v1/%C3%BC HTTP/1.1" in target_of("http://upstream.example/v1/ü").head
