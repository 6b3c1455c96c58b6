"""`python`: confined code gives a number within its limits, or the result is errored."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from evals import graders
from evals.graders.contract import (
    Grade,
    GradedCase,
    GraderError,
    GraderErrorKind,
    GraderSpecError,
    Limits,
    Sample,
)
from evals.graders.python import folders, syscalls
from evals.graders.python.sandbox import Sandbox
from evals.runner.grader_services import GraderServices
from evals.states import ResultState
from tests.evals import builders
from tests.evals.upstream import Upstream

LIMITS = Limits(timeout_s=5, memory_bytes=256 * 2**20, disk_bytes=8 * 2**20)
CASE = GradedCase(
    case_id="one",
    target="Paris",
    components=("geo",),
    metadata={"item": {"city": "Paris", "n": 3}},
)
SAMPLE = Sample(output_text='{"city": "Paris"}')


def body(*lines: str, head: str = "") -> str:
    """A source whose `grade` has these lines."""
    return f"{head}\ndef grade(sample, item):\n" + "".join(f"    {line}\n" for line in lines)


SCORES: list[tuple[str, str, float]] = [
    ("a number", body("return 0.25"), 0.25),
    ("a whole number", body("return 1"), 1.0),
    ("a truth value", body("return sample['output_text'] == 'no'"), 0.0),
    ("sample and item", body("return sample['output_json']['city'] == item['city']"), 1.0),
    ("the case's own target", body("return item['target'] in sample['output_text']"), 1.0),
    ("helpers of its own", body("return half(item['n'])", head="half = lambda n: n / 6"), 0.5),
    ("an empty answer", body("return len(sample['finish_reason'] or '')"), 0.0),
    ("unicode", body("return 'é😀' == '\\u00e9\\U0001f600'"), 1.0),
    ("numpy", body("return numpy.float32(0.5)", head="import numpy"), 0.5),
    ("rapidfuzz", body("return fuzz.ratio('a', 'a') / 100", head="from rapidfuzz import fuzz"), 1.0),  # noqa: E501
    ("scipy", body("return float(expit(0.0))", head="from scipy.special import expit"), 0.5),
    ("a thread", body("t = Thread(); t.start(); t.join()", "return 1", head="from threading import Thread"), 1.0),  # noqa: E501
    ("its own folder", body("open('a', 'w').write('x')", "return os.listdir() == ['a']", head="import os"), 1.0),  # noqa: E501
    ("an empty folder", body("return os.listdir() == []", head="import os"), 1.0),
    ("no secret", body("return sorted(os.environ) == ['LANG', 'OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'PYTHONHASHSEED']", head="import os"), 1.0),  # noqa: E501
    ("nothing of Slipway", body("return not {'evals', 'infra', 'django'} & set(sys.modules)", head="import sys"), 1.0),  # noqa: E501
    ("chance is the same", body("return round(random.random(), 3) == 0.844", head="import random"), 1.0),  # noqa: E501
]  # fmt: skip
FAILS: list[tuple[str, str, str]] = [
    ("raises", body("return 1 / 0"), "ZeroDivisionError on line 3: division by zero"),
    ("raises what is no Exception", body("raise KeyboardInterrupt"), "KeyboardInterrupt on line 3"),
    ("exits", body("exit(0)", head="from sys import exit"), "SystemExit on line 3"),
    ("exits at once", body("os._exit(0)", head="import os"), "ended without an answer"),
    ("crashes", body("ctypes.string_at(0)", head="import ctypes"), "was ended by SIGSEGV"),
    ("no Python", "def grade(", "SyntaxError on line 1"),
    ("no grade", "x = 1", "defines no function `grade"),
    ("does not exist", body("return 1", head="import nonesuch"), "ModuleNotFoundError on line 1"),
    ("a text", body("return '1'"), "returned str '1'"),
    ("nothing", body("pass"), "returned NoneType"),
    ("not a number", body("return float('nan')"), "returned nan"),
    ("endless", body("return float('inf')"), "returned inf"),
    ("loops", body("while True: pass"), "took longer than 5 s"),
    ("sleeps through every signal", body("[signal.signal(n, signal.SIG_IGN) for n in (1, 2, 14, 15)]", "time.sleep(60)", head="import signal, time"), "took longer than 5 s"),  # noqa: E501
    ("forks", body("os.fork()", head="import os"), "PermissionError on line 3"),
    ("runs a program", body("subprocess.run(['true'])", head="import subprocess"), "PermissionError"),  # noqa: E501
    ("opens a socket", body("socket.socket()", head="import socket"), "no network"),
    ("opens a page", body("urllib.request.urlopen('http://127.0.0.1:1')", head="import urllib.request"), "not permitted"),  # noqa: E501
    ("a socket without Python", body("l = ctypes.CDLL(None, use_errno=True)", "raise OSError(l.socket(2, 1, 0), ctypes.get_errno())", head="import ctypes"), "[Errno -1] 1"),  # noqa: E501
    ("the 32-bit door", body("l = ctypes.CDLL(None, use_errno=True)", "raise OSError(l.syscall(0x40000029, 2, 1, 0), ctypes.get_errno())", head="import ctypes"), "[Errno -1] 1"),  # noqa: E501
    ("a signal by fcntl", body("fcntl.fcntl(0, fcntl.F_SETOWN, os.getppid())", head="import fcntl, os"), "PermissionError"),  # noqa: E501
    ("kills its parent", body("os.kill(os.getppid(), 9)", head="import os"), "PermissionError"),
    ("eats memory", body("x = [bytearray(10**7) for _ in range(10**6)]"), "MemoryError"),
    ("eats memory in numpy", body("return numpy.ones(10**9)[0]", head="import numpy"), "MemoryError"),  # noqa: E501
    ("fills the disk", body("for n in range(99): open(str(n), 'wb').write(bytes(10**6))", "time.sleep(9)", head="import time"), "wrote more than 8 MB"),  # noqa: E501
    ("fills the disk with nothing", body("for n in range(10**6): open(str(n), 'w').close()"), "wrote more than 8 MB"),  # noqa: E501
    ("makes a folder", body("os.mkdir('below')", head="import os"), "PermissionError on line 3"),
    ("makes a link", body("os.symlink('/', 'above')", head="import os"), "PermissionError"),
    ("one large file", body("open('a', 'wb').write(bytes(10**7))"), "File too large"),
    ("reads accounts", body("open('/etc/passwd')"), "Permission denied: '/etc/passwd'"),
    ("reads the project", body(f"open({str(Path(__file__).resolve())!r})"), "Permission denied"),
    ("reads its parent", body("open(f'/proc/{os.getppid()}/environ')", head="import os"), "Permission denied"),  # noqa: E501
    ("writes elsewhere", body("open('/tmp/slipway-was-here', 'w')"), "Permission denied"),
    ("lifts a limit", body("resource.setrlimit(resource.RLIMIT_AS, (-1, -1))", head="import resource"), "not allowed to raise maximum limit"),  # noqa: E501
    ("floods its pipe", body("while True: os.write(3, b'x' * 60000)", head="import os"), "ended without an answer"),  # noqa: E501
    ("closes its pipe", body("os.close(3)", "time.sleep(60)", head="import os, time"), "was ended by SIGKILL"),  # noqa: E501
    ("forges a reply", body("os.write(3, b'{\"error\": \"made up\", \"message\": \"mine\"}')", "os._exit(0)", head="import os"), "mine"),  # noqa: E501
    ("endless recursion", body("return grade(sample, item)"), "RecursionError"),
    ("raises a book", body("raise ValueError('x' * 10**7)"), "ValueError on line 3: xxx"),
]  # fmt: skip


@pytest.fixture(scope="module")
def answers() -> Mapping[str, tuple[float | GraderError, float]]:
    """What every source above came to, and the seconds it took; all through one sandbox."""

    async def one(sandbox: Sandbox, source: str) -> tuple[float | GraderError, float]:
        began = time.monotonic()
        sample = {"output_text": '{"city": "Paris"}', "output_json": {"city": "Paris"}}
        item = {"city": "Paris", "target": "Paris", "n": 3}
        try:
            score = await sandbox.score(source, {**sample, "finish_reason": ""}, item, LIMITS)
        except GraderError as error:
            return error, time.monotonic() - began
        return score, time.monotonic() - began

    async def all_of_them() -> dict[str, tuple[float | GraderError, float]]:
        sandbox = Sandbox()
        sources = {name: source for name, source, _ in (*SCORES, *FAILS)}
        try:
            # First, so that no limit below waits for SciPy's import.
            await one(sandbox, sources["scipy"])
            found = await asyncio.gather(*(one(sandbox, source) for source in sources.values()))
        finally:
            await sandbox.close()
        return dict(zip(sources, found, strict=True))

    return asyncio.run(all_of_them())


@pytest.mark.parametrize(("name", "score"), [(name, score) for name, _, score in SCORES])
def test_code_gives_a_score(name: str, score: float, answers: Mapping[str, Any]) -> None:
    assert answers[name][0] == score


@pytest.mark.parametrize(("name", "said"), [(name, said) for name, _, said in FAILS])
def test_code_that_fails_is_errored_by_name(
    name: str, said: str, answers: Mapping[str, Any]
) -> None:
    error, _ = answers[name]
    assert isinstance(error, GraderError), f"{name} gave {error}"
    assert error.kind is GraderErrorKind.PYTHON_RUNTIME
    assert said in error.message
    assert len(error.message) <= 700


def test_code_that_cannot_be_confined_is_not_run() -> None:
    async def run() -> float:
        sandbox = Sandbox()
        try:
            return await sandbox.score(body("return 1"), {}, {}, Limits(disk_bytes=2**80))
        finally:
            await sandbox.close()

    with pytest.raises(GraderError, match="can't be confined") as refused:
        asyncio.run(run())
    assert refused.value.kind is GraderErrorKind.PYTHON_SERVER


async def graded(spec: Mapping[str, Any], case: GradedCase = CASE) -> Grade:
    """The grader's own answer, through the runner's services."""
    services = GraderServices({})
    try:
        return await graders.grade_one_async(spec, case, SAMPLE, services.for_sample())
    finally:
        await services.close()


def test_the_score_goes_to_the_cases_components() -> None:
    source = body("return 0.5 if item['city'] == sample['output_json']['city'] else 0")
    grade = asyncio.run(graded({"type": "python", "source": source, "pass_threshold": 0.5}))
    assert (grade.state, grade.score) == (ResultState.PASSED, 0.5)
    assert grade.components["geo"].score == 0.5


@pytest.mark.parametrize("returned", ["1.5", "-0.1"])
def test_a_number_that_is_no_score_is_errored(returned: str) -> None:
    with pytest.raises(GraderError, match="a score is 0 to 1") as refused:
        asyncio.run(graded({"type": "python", "source": body(f"return {returned}")}))
    assert refused.value.kind is GraderErrorKind.PYTHON_RUNTIME


def test_a_graders_own_time_limit_holds() -> None:
    began = time.monotonic()
    with pytest.raises(GraderError, match=r"took longer than 0\.3 s"):
        asyncio.run(graded({"type": "python", "source": body("while 1: pass"), "timeout_s": 0.3}))
    assert time.monotonic() - began < 5


BAD: list[tuple[str, Mapping[str, Any], str]] = [
    ("no source", {}, "source"),
    ("empty", {"source": ""}, "source"),
    ("too long", {"source": "#" * 256_001}, "source"),
    ("no limit of zero", {"source": body("return 1"), "timeout_s": 0}, "timeout_s"),
    ("no week long", {"source": body("return 1"), "timeout_s": 10**6}, "timeout_s"),
    ("too little memory", {"source": body("return 1"), "memory_mb": 1}, "memory_mb"),
    ("unknown", {"source": body("return 1"), "network": True}, "network"),
    ("no Python", {"source": "def grade("}, "is no Python"),
    ("no grade", {"source": "1"}, "defines no function"),
    ("a NUL", {"source": "\x00"}, "is no Python"),
]


@pytest.mark.parametrize(("name", "given", "said"), BAD)
def test_bad_settings_are_refused(name: str, given: Mapping[str, Any], said: str) -> None:
    spec = {"type": "python", **given}
    with pytest.raises(GraderSpecError, match=said):
        graders.check_spec(spec)
        graders.check_case(spec, CASE)


def test_one_sample_leaves_nothing_to_the_next() -> None:
    head = "import builtins, os, json"
    leaves = body("builtins.left = json.left = 1", "open('left', 'w')", "return 1", head=head)
    looks = body(
        "return not (hasattr(builtins, 'left') or hasattr(json, 'left') or os.listdir())", head=head
    )

    async def both() -> list[float]:
        sandbox = Sandbox()
        try:
            return [await sandbox.score(source, {}, {}, LIMITS) for source in (leaves, looks)]
        finally:
            await sandbox.close()

    assert asyncio.run(both()) == [1.0, 1.0]


def test_a_killed_warden_errors_what_ran_and_is_replaced() -> None:
    async def kill_it() -> float:
        sandbox = Sandbox()
        sleeps = body("time.sleep(30)", head="import time")
        try:
            await sandbox.score(body("return 1"), {}, {}, LIMITS)
            waits = asyncio.create_task(sandbox.score(sleeps, {}, {}, Limits(timeout_s=30)))
            await asyncio.sleep(0.3)
            (warden,) = wardens(os.getpid())
            warden.kill()
            with pytest.raises(GraderError) as ended:
                await waits
            assert ended.value.kind is GraderErrorKind.PYTHON_SERVER
            return await sandbox.score(body("return 1"), {}, {}, LIMITS)
        finally:
            await sandbox.close()

    assert asyncio.run(kill_it()) == 1.0
    assert wardens(os.getpid()) == []


def wardens(parent: int) -> list[psutil.Process]:
    """The wardens below a process."""
    children = psutil.Process(parent).children()
    return [child for child in children if "warden.py" in " ".join(child.cmdline())]


WORKER = """
import asyncio
from evals.graders.contract import Limits
from evals.graders.python.sandbox import Sandbox
source = "def grade(sample, item):\\n    while True: pass"
asyncio.run(Sandbox().score(source, {}, {}, Limits(timeout_s=60)))
"""


def test_nothing_is_left_of_a_killed_worker() -> None:
    before = set(Path(tempfile.gettempdir()).glob("slipway-grading-*"))
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "infra.settings"}
    worker = subprocess.Popen([sys.executable, "-c", WORKER], env=environment)
    below: list[psutil.Process] = []
    deadline = time.monotonic() + 30
    while len(below) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
        below = psutil.Process(worker.pid).children(recursive=True)
    assert len(below) == 2, "the warden and its child"
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    _, alive = psutil.wait_procs(below, timeout=10)
    assert alive == []
    while set(Path(tempfile.gettempdir()).glob("slipway-grading-*")) - before:
        assert time.monotonic() < deadline, "its folder is left"
        time.sleep(0.05)


def test_folders_without_a_worker_are_cleared_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    held, left, young = (folders.Folder() for _ in range(3))
    other = tmp_path / "slipway-other"
    other.mkdir()
    for folder in (left, young):
        os.close(folder._lock)
    (Path(left.path) / "sample").mkdir()
    long_ago = time.time() - 2 * folders.SETTLED_S
    for path in (held.path, left.path, other):
        os.utime(path, (long_ago, long_ago))
    assert folders.clear_left() == 1
    assert set(map(str, tmp_path.iterdir())) == {held.path, young.path, str(other)}
    held.remove()
    assert not Path(held.path).exists()


HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


@pytest.mark.parametrize("machine", sorted(HEADERS))
def test_numbers_of_calls_are_the_kernels(machine: str) -> None:
    if not HEADERS[machine].exists():
        pytest.skip("the kernel's headers are not installed")
    text = HEADERS[machine].read_text()
    named = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text))
    named.setdefault("newfstatat", named.get("fstatat", ""))
    ours = {**syscalls.ALLOWED[machine], **syscalls.GUARDED[machine], "clone3": syscalls.CLONE3}
    assert {name: named[name] for name in ours} == {name: str(ours[name]) for name in ours}
    for dangerous in ("socket", "connect", "execve", "ptrace", "io_uring_setup", "kill", "prctl"):
        assert dangerous not in ours


@pytest.mark.django_db
def test_a_run_grades_on_beside_code_that_breaks(upstream: Upstream) -> None:
    broken = {1: body("1 / 0"), 2: body("while 1: pass"), 3: body("return 'x'")}
    works = body("return sample['output_text'] == item['target']")
    cases = [
        builders.case(
            n, graders=[{"type": "python", "source": broken.get(n, works), "timeout_s": 1}]
        )
        for n in range(12)
    ]
    version = builders.published(cases=cases, graders=[])
    run = builders.execute(builders.start(version, builders.served(upstream.base_url)))
    assert run.state == "completed"
    assert run.results.filter(state="passed", score=1).count() == 9
    errored = run.results.filter(state="errored").order_by("case__case_id")
    assert {result.error_code for result in errored} == {"python_grader_runtime_error"}
    assert [result.score for result in errored] == [None] * 3
    assert "took longer than 1 s" in errored[1].error_message
    assert run.metrics.get(node="").n_missing == 3
