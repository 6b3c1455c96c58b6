"""`python -m releases.replay FILE [--deep] [--json]`: judges a recorded decision again, offline.

Exit 0 when the record follows from its evidence, 1 with what differs, 2 when the file holds no
decision.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from releases.promotions import GateReason
from releases.replay.deep import Deep, deepened
from releases.replay.judge import Replay, replay
from releases.replay.records import NoRecord

EQUAL, DIFFERENT, NO_DECISION = 0, 1, 2


def main(arguments: Sequence[str], source: TextIO, out: TextIO, err: TextIO) -> int:
    """Replay one file (or `-`, what is read from `source`)."""
    asked = _parser().parse_args(arguments)
    try:
        given = read_json(source.read() if asked.file == "-" else Path(asked.file).read_bytes())
        found = replay(given)
        deep = deepened(given) if asked.deep else None
    except (OSError, NoRecord) as error:
        err.write(f"{asked.file} is not the record of a decision: {error}.\n")
        return NO_DECISION
    if asked.json:
        out.write(f"{json.dumps(_as_dict(found, deep), indent=2, ensure_ascii=False)}\n")
    else:
        out.writelines(f"{line}\n" for line in _lines(found, deep))
    is_equal = found.is_equal and (deep is None or deep.is_equal)
    return EQUAL if is_equal else DIFFERENT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m releases.replay",
        description="Judges a recorded decision again, from the file alone.",
    )
    parser.add_argument("file", metavar="FILE", help="from `manage.py decision export`; - reads it")
    parser.add_argument(
        "--deep", action="store_true", help="compute the intervals again (needs NumPy and SciPy)"
    )
    parser.add_argument("--json", action="store_true", help="JSON for machines")
    return parser


def read_json(text: str | bytes) -> Any:
    """The one JSON value of a text; NoRecord for anything else, a key given twice included."""
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise NoRecord(f"it is not JSON: {error}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise NoRecord(f"{twice!r} is given twice")
    return found


def _no_number(name: str) -> Any:
    raise NoRecord(f"it holds {name}, which is not a number")


def _lines(found: Replay, deep: Deep | None) -> list[str]:
    promotion = found.document["promotion"]
    lines = [
        f"{promotion['checkpoint']} to {promotion['stage']}: {found.document['state']} "
        f"{found.document['decided_at']}"
    ]
    lines += [_reason_line(reason) for reason in found.decision.reasons]
    lines += [f"Evidence hash {found.decision.evidence_hash}"]
    lines += [f"Document hash {found.document_hash}"]
    if deep is not None:
        lines += [*deep.lines, *(f"DIFFERS  {item.sentence}" for item in deep.differences)]
    lines += [f"DIFFERS  {difference.sentence}" for difference in found.differences]
    if found.is_equal and (deep is None or deep.is_equal):
        lines += ["Equal: outcomes, sentences, verdict and hashes follow from the evidence."]
    return lines


def _reason_line(reason: GateReason) -> str:
    outcome = f"{reason.outcome.value}{' (shadow)' if reason.shadow else ''}"
    return f"  {outcome:<14} {reason.gate_id:<24} {reason.sentence}"


def _as_dict(found: Replay, deep: Deep | None) -> dict[str, Any]:
    differences = [*found.differences, *(deep.differences if deep else ())]
    return {
        "equal": not differences,
        "promotion": found.document["promotion"],
        "state": found.document["state"],
        "evidence_hash": found.decision.evidence_hash,
        "document_hash": found.document_hash,
        "differences": [{"where": d.where, "sentence": d.sentence} for d in differences],
        "deep": list(deep.lines) if deep else None,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdin, sys.stdout, sys.stderr))
