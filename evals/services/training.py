"""Corrections exported as training files. An export keeps digests and origins, never the text."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import IO, Any
from uuid import UUID

from django.db import connection, transaction

from evals.models import SuiteVersion, TrainingExport
from evals.redaction import RULES_VERSION
from evals.services import corrections, training_files, votes
from evals.services.corrections import Asked
from evals.training import grader as grader_rules
from evals.training.contract import LEAST_ROWS, MOST_RFT_ROWS, Split, TrainingKind
from evals.training.corrections import Correction, Lack, LeftOut, Row, row_of
from evals.training.splitting import split_of
from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, Reason
from infra.ids import uuid7

MOST_VALIDATION = 0.5
DEFAULT_VALIDATION = 0.1
_COLUMNS = "id, export_id, split, line, feedback_id, preference_id, digest"
_NULL = r"\N"
Sink = Callable[[Split, bytes], object]
"""Takes each line as it is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an export is asked for; the same gives the same files, byte for byte."""

    kind: TrainingKind
    asked: Asked = field(default_factory=Asked)
    validation_share: float = DEFAULT_VALIDATION
    seed: int = 0
    grader: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """What the export's row keeps of it."""
        return {
            **self.asked.as_json(),
            "validation_share": self.validation_share,
            "seed": self.seed,
            "rules_version": RULES_VERSION,
        }


def make_export(*, actor: Actor, wanted: Wanted, sink: Sink | None = None) -> TrainingExport:
    """Read, redact, check, split and count the rows, then record the export; audited.

    `sink` takes the lines too, before the record exists: throw them away when this raises.
    InvalidInput when the files could not be used: too few rows, or a grader that breaks a rule.
    """
    person_id = training_files.must_export(actor)
    check(wanted)
    made_at, export_id = clock.now(), uuid7()
    with tempfile.TemporaryFile() as spool:
        files = _Files(export_id, spool, sink)
        left_out = _fill(files, actor, wanted)
        must_be_usable(wanted, files.n_rows, left_out)
        described = [*files.described(), *_grader_file(wanted)]
        with transaction.atomic():
            export = TrainingExport.objects.create(
                id=export_id,
                kind=wanted.kind.value,
                filter=wanted.as_json(),
                grader=_sent(wanted),
                n_train=files.n_rows[Split.TRAIN],
                n_validation=files.n_rows[Split.VALIDATION],
                left_out=dict(sorted(left_out.items())),
                files=described,
                digest=_digest_of(described),
                made_by_id=person_id,
                made_at=made_at,
            )
            _copy(spool)
            after = {"kind": export.kind, "filter": export.filter, "digest": export.digest}
            counted = {"n_train": export.n_train, "n_validation": export.n_validation}
            audit.record(
                actor=actor, action="training.exported", subject=export, after={**after, **counted}
            )
    return export


class _Files:
    """Lines counted, hashed and noted as they pass."""

    def __init__(self, export_id: UUID, spool: IO[bytes], sink: Sink | None) -> None:
        self._export, self._spool, self._sink = export_id.hex, spool, sink
        self.n_rows = dict.fromkeys(Split, 0)
        self._n_bytes = dict.fromkeys(Split, 0)
        self._hashes = {split: hashlib.sha256() for split in Split}
        self._seen: set[bytes] = set()

    def add(self, row: Row, split: Split) -> Lack | None:
        """Why the row is not in the file; None when it is."""
        digest = hashlib.sha256(row.line)
        if digest.digest() in self._seen:
            return Lack.DUPLICATE
        self._seen.add(digest.digest())
        self.n_rows[split] += 1
        self._n_bytes[split] += len(row.line)
        self._hashes[split].update(row.line)
        cells = (uuid7().hex, self._export, split.value, str(self.n_rows[split]))
        origin = (_cell(row.feedback_id), _cell(row.preference_id))
        noted = "\t".join((*cells, *origin, digest.hexdigest()))
        self._spool.write(noted.encode() + b"\n")
        if self._sink:
            self._sink(split, row.line)
        return None

    def described(self) -> list[dict[str, Any]]:
        return [
            {
                "name": f"{split.value}.jsonl",
                "n_rows": self.n_rows[split],
                "n_bytes": self._n_bytes[split],
                "sha256": self._hashes[split].hexdigest(),
            }
            for split in Split
        ]


def _cell(origin: UUID | None) -> str:
    return origin.hex if origin else _NULL


def check(wanted: Wanted) -> None:
    """InvalidInput for what no export is made of, whatever the rows are."""
    if wanted.asked.with_votes and wanted.kind is not TrainingKind.DPO:
        message = f"Votes prefer one answer to another: {wanted.kind.value} rows can't say that."
        raise InvalidInput("votes_not_used", message)
    if wanted.asked.with_votes and wanted.asked.finding:
        message = "Votes belong to no finding: leave out the finding, or the votes."
        raise InvalidInput("votes_of_finding", message)
    if not 0 <= wanted.validation_share <= MOST_VALIDATION:
        message = f"The validation share is {wanted.validation_share:g}: write 0 to 0.5."
        raise InvalidInput("validation_share", message)
    if wanted.kind is not TrainingKind.RFT:
        if wanted.grader is not None:
            message = f"A {wanted.kind.value} export takes no grader: only rft does."
            raise InvalidInput("grader_not_used", message)
        return
    if wanted.grader is None:
        raise InvalidInput("grader_missing", "An rft export needs a grader: give its JSON.")
    found = list(grader_rules.check(wanted.grader))
    if found:
        reasons = [Reason(code=one.rule, sentence=one.message) for one in found]
        raise InvalidInput("grader_invalid", f"The grader: {found[0].message}.", reasons)


def _fill(files: _Files, actor: Actor, wanted: Wanted) -> Counter[str]:
    """The files with every row; how many corrections became none, by reason."""
    left_out: Counter[str] = Counter()
    for _, made in rows(actor, wanted):
        why = made.why if isinstance(made, LeftOut) else _place(files, made, wanted)
        if why is not None:
            left_out[why.value] += 1
    return left_out


def rows(actor: Actor, wanted: Wanted) -> Iterator[tuple[Correction | None, Row | LeftOut]]:
    """Each correction with the row that it becomes, or why it becomes none."""
    reads = grader_rules.item_paths(wanted.grader) if wanted.grader else ()
    canaries = [
        canary.encode()
        for canary in SuiteVersion.objects.exclude(canary="")
        .order_by().values_list("canary", flat=True).distinct()
    ]  # fmt: skip
    decided = votes.votes(actor=actor, asked=wanted.asked) if wanted.asked.with_votes else ()
    for found in chain(corrections.corrections(actor=actor, asked=wanted.asked), decided):
        if isinstance(found, LeftOut):
            yield None, found
        else:
            yield found, row_of(wanted.kind, found, reads=reads, canaries=canaries)


def _place(files: _Files, row: Row, wanted: Wanted) -> Lack | None:
    split = split_of(row.conversation, wanted.validation_share, wanted.seed)
    if wanted.kind is TrainingKind.RFT and files.n_rows[split] >= MOST_RFT_ROWS[split]:
        return Lack.OVER_MOST
    return files.add(row, split)


def must_be_usable(
    wanted: Wanted, n_rows: Mapping[Split, int], left_out: Mapping[str, int]
) -> None:
    """InvalidInput where a job would refuse the files, with what was left out and why."""
    n_train, n_validation = n_rows[Split.TRAIN], n_rows[Split.VALIDATION]
    least = LEAST_ROWS if wanted.kind is TrainingKind.SFT else 1
    problem = ""
    if n_train < least:
        problem = f"{n_train} rows to train on: {wanted.kind.value} needs at least {least}."
    elif wanted.kind is TrainingKind.RFT and not n_validation:
        problem = "No row to validate on, which rft needs: raise the validation share."
    if problem:
        reasons = [
            Reason(code=why, sentence=f"{n} corrections were left out: {why.replace('_', ' ')}.")
            for why, n in sorted(left_out.items())
        ]
        raise InvalidInput("too_few_rows", problem, reasons)


def _sent(wanted: Wanted) -> dict[str, Any] | None:
    return grader_rules.as_sent(wanted.grader) if wanted.grader else None


def _grader_file(wanted: Wanted) -> list[dict[str, Any]]:
    if wanted.grader is None:
        return []
    body = training_files.grader_body(_sent(wanted))
    digest = hashlib.sha256(body).hexdigest()
    return [{"name": "grader.json", "n_rows": None, "n_bytes": len(body), "sha256": digest}]


def _digest_of(files: list[dict[str, Any]]) -> str:
    text = "".join(f"{file['sha256']}  {file['name']}\n" for file in files)
    return hashlib.sha256(text.encode()).hexdigest()


def _copy(spool: IO[bytes]) -> None:
    spool.seek(0)
    statement = f"COPY training_row ({_COLUMNS}) FROM STDIN"
    with connection.cursor() as cursor, connection.wrap_database_errors:
        with cursor.copy(statement) as copy:
            while chunk := spool.read(1 << 16):
                copy.write(chunk)
