"""Whole training files checked, line by line: nothing is held but the line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import orjson

from evals.training import dpo, grader, rft, sft
from evals.training.contract import (
    LEAST_ROWS,
    MOST_RFT_ROWS,
    RULES,
    Broken,
    Problem,
    Problems,
    Split,
    TrainingKind,
)

_BOM = b"\xef\xbb\xbf"


def check_row(kind: TrainingKind, row: Mapping[str, Any], reads: tuple[str, ...] = ()) -> Problems:
    """Every rule of the format that one row breaks; `reads`: what the grader reads of `item`."""
    if kind is TrainingKind.RFT:
        return rft.check(row, reads)
    return sft.check(row) if kind is TrainingKind.SFT else dpo.check(row)


def check_lines(
    kind: TrainingKind,
    lines: Iterable[bytes],
    file: str,
    *,
    split: Split = Split.TRAIN,
    reads: tuple[str, ...] = (),
) -> Iterator[Broken]:
    """Every rule that the file's lines break, in their order, then those of the whole file."""
    n_rows = 0
    for number, line in enumerate(lines, start=1):
        n_rows += bool(line.strip())
        for found in _check_line(kind, line, number, reads):
            yield Broken(file=file, line=number, rule=found.rule, message=found.message)
    whole = _row_count_problem(kind, split, n_rows)
    if whole:
        yield Broken(file=file, line=None, rule=whole.rule, message=whole.message)


def check_files(
    kind: TrainingKind,
    train: Path,
    validation: Path | None = None,
    grader_file: Path | None = None,
) -> Iterator[Broken]:
    """Every rule that these files break; OSError where one can't be read."""
    reads: tuple[str, ...] = ()
    if kind is TrainingKind.RFT:
        given, found = _read_grader(grader_file, train)
        yield from found
        reads = grader.item_paths(given) if given is not None and not found else ()
        if validation is None:
            yield _whole(train, "validation_missing")
    for split, path in ((Split.TRAIN, train), (Split.VALIDATION, validation)):
        if path is not None:
            with path.open("rb") as lines:
                yield from check_lines(kind, lines, str(path), split=split, reads=reads)


def kind_of(path: Path) -> TrainingKind | None:
    """The format that the first readable row is in; None when there is none."""
    with path.open("rb") as lines:
        for line in lines:
            row, _ = _read(line)
            if row is None:
                continue
            if "messages" not in row:
                return TrainingKind.DPO
            said = row["messages"]
            last = said[-1] if isinstance(said, list) and said else None
            asks = isinstance(last, Mapping) and last.get("role") == "user"
            return TrainingKind.RFT if asks else TrainingKind.SFT
    return None


def _whole(path: Path, rule: str) -> Broken:
    return Broken(file=str(path), line=None, rule=rule, message=RULES[rule])


def _read_grader(path: Path | None, train: Path) -> tuple[Mapping[str, Any] | None, list[Broken]]:
    if path is None:
        return None, [_whole(train, "grader_missing")]
    try:
        given = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        broken = Broken(file=str(path), line=line, rule="grader_json", message=str(error))
        return None, [broken]
    found = [
        Broken(file=str(path), line=None, rule=one.rule, message=one.message)
        for one in grader.check(given)
    ]
    return given, found


def _check_line(
    kind: TrainingKind, line: bytes, number: int, reads: tuple[str, ...]
) -> Iterator[Problem]:
    if number == 1 and line.startswith(_BOM):
        yield Problem(rule="utf8", message="the file begins with a byte order mark")
        line = line[len(_BOM) :]
    if not line.strip():
        yield Problem(rule="blank_line", message="the line is blank: take it out")
        return
    row, problem = _read(line)
    if problem:
        yield problem
    if row is not None:
        yield from check_row(kind, row, reads)


def _read(line: bytes) -> tuple[dict[str, Any] | None, Problem | None]:
    """The line's object, or what is wrong with it."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        row, problem = _read_slowly(line)
        if problem:
            return None, problem
    if not isinstance(row, dict):
        said = f"the line is a {type(row).__name__}, no object"
        return None, Problem(rule="line_object", message=said)
    return row, None


def _read_slowly(line: bytes) -> tuple[Any, Problem | None]:
    """What `orjson` refused, read by the standard library, whose messages say where."""
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        said = f"byte {error.start + 1} of the line is not UTF-8"
        return None, Problem(rule="utf8", message=said)
    try:
        return json.loads(text, parse_constant=_refuse), None
    except (ValueError, RecursionError) as error:
        return None, Problem(rule="line_object", message=f"not JSON: {error}")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


def _row_count_problem(kind: TrainingKind, split: Split, n_rows: int) -> Problem | None:
    if kind is TrainingKind.SFT and split is Split.TRAIN and n_rows < LEAST_ROWS:
        said = f"{n_rows} rows: at least {LEAST_ROWS} are needed"
        return Problem(rule="rows_least", message=said)
    if kind is TrainingKind.RFT and n_rows > MOST_RFT_ROWS[split]:
        said = f"{n_rows:,} rows: at most {MOST_RFT_ROWS[split]:,} are taken to {split.value}"
        return Problem(rule="rows_most", message=said)
    return None
