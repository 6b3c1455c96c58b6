"""`python -m releases.replay` in a virtual environment that has nothing but Python."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import venv
from pathlib import Path
from typing import Any

import pytest

from releases.replay.records import HASH
from tests.releases.replay import records

ROOT = Path(__file__).resolve().parents[3]
ABSENT = ("django", "psycopg", "numpy", "scipy", "yaml", "jsonschema", "rest_framework", "celery")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bare")
    venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
    return folder / "bin" / "python"


@pytest.fixture
def document() -> dict[str, Any]:
    return copy.deepcopy(records.document(*records.approved()))


def run(python: Path, cwd: Path, *arguments: str, text: str = "") -> tuple[int, str, str]:
    done = subprocess.run(
        [str(python), "-m", "releases.replay", *arguments],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "PYTHONIOENCODING": "utf-8"},
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_environment_is_bare(python: Path) -> None:
    code = f"import importlib.util as u; print([n for n in {ABSENT!r} if u.find_spec(n)])"
    found = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_an_equal_record_exits_0_with_the_same_hash(
    python: Path, document: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "d.json").write_text(json.dumps(document))
    code, out, err = run(python, tmp_path, "d.json")
    assert (code, err) == (0, "")
    assert document[HASH] in out
    assert "Equal: outcomes, sentences, verdict and hashes follow from the evidence." in out
    assert "eval_floor-1" in out


DIGITS = [
    (("gates", 1, "evidence", "nodes", "sql.table", "lo"), 0.1663, "gate eval_floor-1"),
    (("gates", 1, "evidence", "nodes", "sql.table", "n"), 401, "reason eval_floor-1"),
    (("gates", 1, "options", "at_least"), 0.61, "reason eval_floor-1"),
    (("gates", 2, "evidence", "stages", "internal", "longest_s"), 9.5, "gate soak-1"),
    (("gates", 0, "inputs", "manifest"), "1" * 63 + "2", "reason artifact-1"),
    (("approvals", 0, "evidence_hash"), "0" * 64, "reason approvals"),
    (("reasons", 3, "sentence"), "Does anything feel off? — Rita signed off.", "reason sign_off"),
    (("decided_at",), "2026-03-02T09:00:01+00:00", "decided_at"),
    (("promotion", "checkpoint_digest"), "b" + "a" * 63, "verdict evidence_hash"),
    ((HASH,), "0" * 64, "hash"),
]


@pytest.mark.parametrize("path, value, where", DIGITS, ids=lambda v: str(v)[:50])
def test_one_changed_digit_exits_1_and_names_the_reason(
    python: Path,
    document: dict[str, Any],
    tmp_path: Path,
    path: tuple[str | int, ...],
    value: Any,
    where: str,
) -> None:
    at: Any = document
    for step in path[:-1]:
        at = at[step]
    assert at[path[-1]] != value
    at[path[-1]] = value
    (tmp_path / "d.json").write_text(json.dumps(document))
    code, out, _ = run(python, tmp_path, "d.json")
    assert code == 1
    assert any(line.startswith(f"DIFFERS  {where}") for line in out.splitlines()), out
    assert "Equal:" not in out


@pytest.mark.parametrize(
    "text", ["", "nonsense", "[]", '{"format": "x"}', '{"a": 1, "a": 2}', '{"a": NaN}', "[" * 9999]
)
def test_a_file_that_is_no_decision_exits_2(python: Path, tmp_path: Path, text: str) -> None:
    code, out, err = run(python, tmp_path, "-", text=text)
    assert (code, out) == (2, "")
    assert "is not the record of a decision" in err
    assert err.count("\n") == 1


def test_a_file_that_is_not_there_exits_2(python: Path, tmp_path: Path) -> None:
    assert run(python, tmp_path, "none.json")[0] == 2


def test_deep_says_that_it_can_not_without_numpy(
    python: Path, document: dict[str, Any], tmp_path: Path
) -> None:
    code, out, _ = run(python, tmp_path, "-", "--deep", text=json.dumps(document))
    assert code == 0
    assert "Not deep: numpy and scipy are not installed here; nothing was computed." in out


def test_machines_read_json(python: Path, document: dict[str, Any], tmp_path: Path) -> None:
    code, out, _ = run(python, tmp_path, "-", "--json", text=json.dumps(document))
    told = json.loads(out)
    assert (code, told["equal"], told["document_hash"]) == (0, True, document[HASH])
    document["gates"][1]["evidence"]["nodes"]["sql.table"]["hi"] = 0.61
    code, out, _ = run(python, tmp_path, "-", "--json", text=json.dumps(document))
    told = json.loads(out)
    assert (code, told["equal"]) == (1, False)
    assert "gate eval_floor-1" in [difference["where"] for difference in told["differences"]]
