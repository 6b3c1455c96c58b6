"""The files of a training export, given again: lines made anew, origins, grader and manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from alpha.models import PreferenceText, Transcript
from evals.models import TrainingExport, TrainingRow
from evals.redaction import RULES_VERSION
from evals.services import corrections, votes
from evals.services.corrections import AT_ONCE
from evals.training.contract import Split, TrainingKind
from evals.training.corrections import Correction, LeftOut, row_of
from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidMove, NotFound
from infra.roles import Role

EXPORTERS = (Role.EVAL_OWNER, Role.RELEASE_MANAGER)
ROWS_AT_ONCE = 1000
ORIGINS, MANIFEST, GRADER = "rows.jsonl", "manifest.json", "grader.json"
SPLIT_OF = {f"{split.value}.jsonl": split for split in Split}


def must_export(actor: Actor) -> UUID:
    """The person's id; NotPermitted for others than eval owners and release managers, and keys."""
    actor.must("export training rows", *EXPORTERS)
    return actor.must_be_person("export training rows")


def file_of(*, actor: Actor, export: TrainingExport, name: str) -> Iterator[bytes]:
    """The named file of the export in pieces; NotFound names those there are."""
    must_export(actor)
    if name in SPLIT_OF:
        return lines_of(actor=actor, export=export, split=SPLIT_OF[name])
    if name == MANIFEST:
        return iter([orjson.dumps(manifest(export), option=orjson.OPT_INDENT_2)])
    if name == ORIGINS:
        return (orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in origins(export))
    if name == GRADER and export.grader is not None:
        return iter([grader_body(export.grader)])
    known = [*SPLIT_OF, ORIGINS, MANIFEST, *([GRADER] if export.grader else [])]
    raise NotFound("no_such_file", f"The export has no file {name!r}; it has {', '.join(known)}.")


def content_type(name: str) -> str:
    """Of a file of an export."""
    return "application/jsonl" if name.endswith(".jsonl") else "application/json"


def lines_of(*, actor: Actor, export: TrainingExport, split: Split) -> Iterator[bytes]:
    """The file's lines again, made anew from the text that is still kept; audited.

    InvalidMove before the first line when text was erased or ran out, or the rules of redaction
    changed; and at the line that no longer has its digest.
    """
    must_export(actor)
    _must_be_whole(export)
    with transaction.atomic():
        after = {"file": f"{split.value}.jsonl", "digest": export.digest}
        audit.record(actor=actor, action="training.downloaded", subject=export, after=after)
    return _lines(actor, export, split)


def manifest(export: TrainingExport) -> dict[str, Any]:
    """Who exported what, by which filter, with the digest of every file."""
    return {
        "id": str(export.pk),
        "kind": export.kind,
        "made_by": export.made_by.name,
        "made_at": export.made_at.isoformat(),
        "filter": export.filter,
        "n_train": export.n_train,
        "n_validation": export.n_validation,
        "left_out": export.left_out,
        "files": export.files,
        "digest": export.digest,
    }


def origins(export: TrainingExport) -> Iterator[dict[str, Any]]:
    """Each row's id, file, line, origin and digest, in the files' order.

    The origin is `feedback`, or `preference` where a blind side by side was decided.
    """
    rows = TrainingRow.objects.filter(export=export).order_by("split", "line")
    named = rows.values("id", "split", "line", "feedback_id", "preference_id", "digest")
    for row in named.iterator(ROWS_AT_ONCE):
        origin = "feedback" if row["feedback_id"] else "preference"
        yield {
            "row": str(row["id"]),
            "file": f"{row['split']}.jsonl",
            "line": row["line"],
            origin: str(row[f"{origin}_id"]),
            "sha256": row["digest"],
        }


def grader_body(grader: Mapping[str, Any] | None) -> bytes:
    """The bytes of `grader.json`: the grader as the job takes it."""
    return orjson.dumps(grader, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)


def _must_be_whole(export: TrainingExport) -> None:
    if export.filter["rules_version"] != RULES_VERSION:
        message = "The rules of redaction changed since this export: make it anew."
        raise InvalidMove("rules_changed", message)
    gone = Q(feedback__isnull=False) & ~_kept("feedback__request_id")
    of_partner = Q(preference__partner__isnull=False)
    gone |= of_partner & (~_kept("preference__request_a") | ~_kept("preference__request_b"))
    own = PreferenceText.objects.filter(session=OuterRef("preference"), is_kept=True)
    gone |= Q(preference__person__isnull=False) & ~Exists(own)
    n_gone = export.rows.filter(gone).count()
    if n_gone:
        message = (
            f"The text of {n_gone} of {export.n_train + export.n_validation} rows was erased or "
            "ran out since this export, so it can't be given again: make it anew."
        )
        raise InvalidMove("text_gone", message)


def _kept(request: str) -> Exists:
    """Whether the text of that call of a row may still be read."""
    found = Transcript.objects.filter(
        request_id=OuterRef(request),
        expires_at__gt=clock.now(),
        data_key__wrapped_key__isnull=False,
    )
    return Exists(found)


def _lines(actor: Actor, export: TrainingExport, split: Split) -> Iterator[bytes]:
    kind, last = TrainingKind(export.kind), 0
    rows = TrainingRow.objects.filter(export=export, split=split.value).order_by("line")
    while True:
        later = rows.filter(line__gt=last)
        chunk = list(later.values_list("line", "feedback_id", "preference_id", "digest")[:AT_ONCE])
        if not chunk:
            return
        last = chunk[-1][0]
        found = _as_now(actor, chunk)
        for line, feedback_id, preference_id, digest in chunk:
            one = found.get(feedback_id or preference_id)
            made = one if one is None or isinstance(one, LeftOut) else row_of(kind, one)
            if made is None or isinstance(made, LeftOut) or _sha256(made.line) != digest:
                place = f"{split.value}.jsonl:{line}"
                message = f"{place} is no longer what was exported: make the export anew."
                raise InvalidMove("row_changed", message)
            yield made.line


def _as_now(actor: Actor, chunk: Sequence[Any]) -> dict[UUID, Correction | LeftOut]:
    remarks = [feedback_id for _, feedback_id, _, _ in chunk if feedback_id]
    sessions = [preference_id for _, _, preference_id, _ in chunk if preference_id]
    return {
        **corrections.corrections_of(actor=actor, feedback_ids=remarks),
        **votes.votes_of(actor=actor, preference_ids=sessions),
    }


def _sha256(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
