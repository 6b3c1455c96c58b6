"""Files that somebody sent: garbage of every shape is refused by name, never a defect."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from evals import formats
from evals.formats import sent_files
from evals.formats.sent_files import MOST_FILES, SentFile
from infra.errors import DomainError, InvalidInput

HERE = Path(__file__).parent
WRONG: tuple[Any, ...] = (
    None, True, -1, 1e308, "", "x\x00y", "\ud800", [], {}, [[]], [None], {"a": {"b": []}}, "{{x",
)  # fmt: skip
N_SPOILED = 25


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    entries = value.items() if isinstance(value, dict) else ()
    entries = enumerate(value) if isinstance(value, list) else entries
    for key, inner in entries:
        yield from _places(inner, (*path, key))


def _spoiled(value: Any, dice: random.Random) -> Any:
    """The document with one value of another kind, or none, at one of its places."""
    made = copy.deepcopy(value)
    place = dice.choice(list(_places(value))[1:])
    holder = made
    for key in place[:-1]:
        holder = holder[key]
    if dice.random() < 0.3:
        del holder[place[-1]]
    else:
        holder[place[-1]] = copy.deepcopy(dice.choice(WRONG))
    return made


def _broken(value: Any, dice: random.Random) -> Any:
    """Spoiled at several places."""
    for _ in range(4):
        value = _spoiled(value, dice)
    return value


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _rows(value: Any) -> bytes:
    return b"\n".join(_json(row) for row in value)


EVAL = {
    "object": "eval", "id": "eval_1", "name": "capitals",
    "data_source_config": {"type": "custom", "item_schema": {"type": "object"}},
    "testing_criteria": [
        {"type": "string_check", "name": "is", "input": "{{sample.output_text}}",
         "reference": "{{item.answer}}", "operation": "eq"},
    ],
}  # fmt: skip
RUN = {
    "object": "eval.run", "id": "run_1", "eval_id": "eval_1", "model": "m", "status": "completed",
    "data_source": {
        "type": "completions", "model": "m",
        "source": {"type": "file_content", "content": [{"item": {"q": "France?", "answer": "P"}}]},
        "input_messages": {"type": "template",
                           "template": [{"role": "user", "content": "{{item.q}}"}]},
    },
}  # fmt: skip
REGISTRY = {
    "capitals": {"id": "capitals.dev.v0", "metrics": ["accuracy"]},
    "capitals.dev.v0": {
        "class": "evals.elsuite.basic.match:Match", "args": {"samples_jsonl": "samples.jsonl"},
    },
}  # fmt: skip
SAMPLES = [{"input": [{"role": "user", "content": "France?"}], "ideal": ["Paris"]}]
Made = Callable[[random.Random], list[SentFile]]


def _one(name: str, value: Any, written: Callable[[Any], bytes] = _json) -> Made:
    return lambda dice: [SentFile(name=name, content=written(_broken(value, dice)))]


def _yaml(value: Any) -> bytes:
    return yaml.safe_dump(value, allow_unicode=False).encode()


def _registry(dice: random.Random) -> list[SentFile]:
    spoil = dice.random() < 0.5
    samples = SAMPLES if spoil else _spoiled(SAMPLES, dice)
    registry = _spoiled(REGISTRY, dice) if spoil else REGISTRY
    return [
        SentFile(name="capitals.yaml", content=_json(registry)),
        SentFile(name="samples.jsonl", content=_rows(samples)),
    ]


def _loaded(path: str) -> Any:
    text = (HERE / path).read_text(encoding="utf-8")
    return yaml.safe_load(text) if path.endswith(".yaml") else json.loads(text)


def _short(log: Any) -> Any:
    """Without what the import leaves out."""
    kept = ("id", "epoch", "input", "target", "messages", "output", "scores", "error")
    samples = [{key: one[key] for key in kept if key in one} for one in log["samples"]]
    return {"version": 2, "status": log["status"], "eval": log["eval"], "samples": samples}


SPOILED: list[tuple[str, Made, bool]] = [
    ("promptfoo", _one("c.yaml", _loaded("promptfoo_recorded/promptfooconfig.yaml"), _json), False),
    ("promptfoo", _one("r.json", _loaded("promptfoo_recorded/results.json")), True),
    ("inspect", _one("l.json", _short(_loaded("inspect_logs/errored.json"))), True),
    ("openai-evals", _one("e.json", [EVAL, RUN]), False),
    ("openai-registry", _registry, False),
]


@pytest.mark.parametrize(("name", "made", "is_run"), SPOILED)
def test_a_spoiled_file_is_read_or_refused_and_nothing_else(
    name: str, made: Made, is_run: bool
) -> None:
    dice, n_refused = random.Random(7), 0
    for _ in range(N_SPOILED):
        files = made(dice)
        read = sent_files.read_run if is_run else sent_files.read_suite
        try:
            read(name, files)
        except DomainError as refusal:
            n_refused += 1
            assert refusal.http_status == 400 and refusal.message
    assert n_refused > 1, "too little was spoiled to say anything"


LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
GARBAGE = [
    b"", b"\x00" * 99, b"[" * 100_000, b"{a: " * 50_000, b"- " * 100_000, b"? " * 100_000,
    b"PK\x03\x04", b"a: &a [*a]", LAUGHS.encode(), b"\xff\xfe", b"x",
]  # fmt: skip


@pytest.mark.parametrize("name", formats.names())
@pytest.mark.parametrize("content", GARBAGE)
def test_garbage_is_refused_by_every_format(name: str, content: bytes) -> None:
    for file in ("x.json", "x.jsonl", "x.yaml", "suite.yaml"):
        with pytest.raises(InvalidInput):
            sent_files.read_suite(name, [SentFile(name=file, content=content)])


@pytest.mark.parametrize(
    ("names", "main", "said"),
    [
        (["../x"], "", "no file name"),
        (["a/b"], "", "no file name"),
        ([".."], "", "no file name"),
        ([".hidden"], "", "no file name"),
        (["x"] * 2, "", "one name"),
        ([f"f{n}" for n in range(MOST_FILES + 1)], "", "Send 1 to"),
        ([], "", "Send 1 to"),
        (["x"], "../x", "none of the files sent"),
        (["x"], "/etc/passwd", "none of the files sent"),
    ],
)
def test_names_stay_in_their_folder(names: list[str], main: str, said: str) -> None:
    files = [SentFile(name=name, content=b"{}") for name in names]
    with pytest.raises(InvalidInput, match=said):
        sent_files.read_suite("promptfoo", files, main)


def test_no_file_of_the_host_is_beside_what_was_sent(tmp_path: Path) -> None:
    """A registry looks for its samples in `../data` as well."""
    files = [SentFile(name="capitals.yaml", content=_json(REGISTRY))]
    with pytest.raises(InvalidInput, match="neither in ../data nor beside"):
        sent_files.read_suite("openai-registry", files)
    for samples in ("../../x.jsonl", "/etc/passwd", "file:///etc/passwd"):
        spoiled = copy.deepcopy(REGISTRY)
        spoiled["capitals.dev.v0"]["args"]["samples_jsonl"] = samples  # type: ignore[index]
        with pytest.raises(InvalidInput, match="outside of the registry"):
            files = [SentFile(name="capitals.yaml", content=_json(spoiled))]
            sent_files.read_suite("openai-registry", files)
