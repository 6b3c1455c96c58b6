"""The supervisor's parts: addresses, delays, logs, the facts file, the disk."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import socket
import stat
from pathlib import Path
from typing import NamedTuple

import pytest

from infra.embedded import EmbeddedError
from infra.supervisor.binding import Address, listen, parse_bind
from infra.supervisor.children import LONGEST_DELAY_S, restart_delay_s
from infra.supervisor.logs import Follower, rotate_logs, tail
from infra.supervisor.run import LEAST_FREE_BYTES, require_space
from infra.supervisor.runfile import read_runfile, runfile_path, update_runfile
from infra.supervisor.terminal import welcome


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    monkeypatch.setenv("SLIPWAY_STATE_DIR", str(folder))
    return folder


@pytest.mark.parametrize(
    ("text", "host", "port", "url"),
    [
        ("127.0.0.1:8000", "127.0.0.1", 8000, "http://127.0.0.1:8000"),
        ("[::]:80", "::", 80, "http://[::1]:80"),
        ("[::1]:8000", "::1", 8000, "http://[::1]:8000"),
        ("9000", "127.0.0.1", 9000, "http://127.0.0.1:9000"),
        ("box.local:9000", "box.local", 9000, "http://box.local:9000"),
    ],
)
def test_an_address_is_read_and_shown(text: str, host: str, port: int, url: str) -> None:
    address = parse_bind(text)
    assert (address, address.url) == (Address(host=host, port=port), url)


@pytest.mark.parametrize("text", ["", "host", "host:", "host:http", "1.2.3.4:70000", "h:-1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(EmbeddedError, match="write HOST:PORT"):
        parse_bind(text)


def test_an_accepted_connection_sends_small_writes_at_once() -> None:
    with listen(Address(host="127.0.0.1", port=0)) as listener:
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_quick_ends_in_a_row_wait_longer_up_to_a_limit() -> None:
    delays = [restart_delay_s(n) for n in range(1, 40)]
    assert restart_delay_s(0) == 0
    assert delays == sorted(delays)
    assert delays[0] < 0.5 and delays[-1] == LONGEST_DELAY_S


def test_logs_are_set_aside_and_only_some_are_kept(state: Path) -> None:
    folder = state / "logs"
    for turn in range(6):
        rotate_logs(folder)
        (folder / "server.log").write_text(f"{turn}")
    kept = {path.name: path.read_text() for path in folder.iterdir()}
    assert kept == {
        "server.log": "5",
        "server.log.1": "4",
        "server.log.2": "3",
        "server.log.3": "2",
    }


def test_a_follower_gives_whole_lines_once(state: Path) -> None:
    log = state / "demo.out"
    follower = Follower(log)
    assert follower.new_lines() == []
    log.write_text("one\ntw")
    assert follower.new_lines() == ["one"]
    log.write_text("one\ntwo\nthree\n")
    assert follower.new_lines() == ["two", "three"]
    assert follower.new_lines() == []


def test_a_tail_is_the_last_lines_and_empty_without_a_log(state: Path) -> None:
    log = state / "x.log"
    assert tail(log) == ""
    log.write_text("\n".join(str(n) for n in range(5000)))
    assert tail(log).splitlines()[-1] == "    4999"
    assert len(tail(log).splitlines()) == 12


def add_fact(number: int) -> None:
    update_runfile({f"fact_{number}": number})


def test_racing_updates_of_the_facts_lose_none(state: Path) -> None:
    update_runfile({"partner_key": "slw_a_b"})
    context = multiprocessing.get_context("fork")
    racers = [context.Process(target=add_fact, args=(n,)) for n in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert read_runfile() == {"partner_key": "slw_a_b", **{f"fact_{n}": n for n in range(8)}}
    assert stat.S_IMODE(runfile_path().stat().st_mode) == 0o600
    assert [path.name for path in state.iterdir() if path.is_file()] == ["run.json"]


def test_damaged_facts_are_kept_aside_and_block_nothing(state: Path) -> None:
    runfile_path().write_text('{"partner_key": "slw_a')
    assert update_runfile({"ready": False}) == {"ready": False}
    assert (state / "run.json.damaged").read_text() == '{"partner_key": "slw_a'
    assert json.loads(runfile_path().read_text()) == {"ready": False}


@pytest.mark.parametrize("missing", [1, LEAST_FREE_BYTES])
def test_a_full_disk_is_refused_before_anything_starts(
    state: Path, monkeypatch: pytest.MonkeyPatch, missing: int
) -> None:
    free = LEAST_FREE_BYTES - missing
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(10**12, 10**12 - free, free))
    with pytest.raises(EmbeddedError, match="MB are free on the disk of .*free some space"):
        require_space(state)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(10**12, 0, LEAST_FREE_BYTES))
    require_space(state)


def test_facts_that_are_absent_are_left_out_of_the_welcome() -> None:
    said = welcome({"base_url": "http://h:1", "console_url": "http://h:1/console/"}, "/s/run.json")
    assert "http://h:1/v1" in said and "/s/run.json" in said
    assert "None" not in said and "Partner key" not in said and "Admin login" not in said
