"""Files sent in the console: looked at, told what would come of them, imported when confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import zstandard
from django.db import transaction

from evals import outputs
from evals.formats import sent_files
from evals.formats.sent_files import SentFile
from evals.models import Run, SuiteVersion, Upload
from evals.services import drafts, foreseen, run_imports, runs, suites
from evals.states import UploadKind
from infra import clock
from infra.actors import Actor
from infra.errors import NotFound, NotPermitted
from infra.roles import Scope
from releases.models import Checkpoint
from releases.selectors.staleness import Stale

KEPT_FOR = timedelta(hours=24)
MOST_WAITING = 5
"""Of one person; the oldest goes when another comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """What an upload became."""

    version: SuiteVersion | None = None
    """Of an uploaded suite."""
    run: Run | None = None
    """Of an uploaded log."""
    is_new: bool
    stale: Sequence[Stale] = ()


def must_send(actor: Actor, kind: UploadKind) -> None:
    """NotPermitted unless the actor is a person who may import it."""
    if kind is UploadKind.SUITE:
        drafts.must_edit(actor)
    else:
        actor.must("import eval runs", *runs.STARTERS, scope=Scope.RUN)
    if actor.person_id is None:
        message = "Only a person confirms what was sent: a key imports over the API at once."
        raise NotPermitted("person_needed", message)


def send_suite(
    *, actor: Actor, name: str, format_name: str, files: Sequence[SentFile], main: str = ""
) -> Upload:
    """Keep the files, with what importing them under that name would do."""
    must_send(actor, UploadKind.SUITE)
    spec = sent_files.read_suite(format_name, files, main)
    found = foreseen.foresee_suite(name=name, suite=spec)
    about = {"format": format_name, "suite": name, "main": main}
    return _kept(actor, files, found.as_dict(), kind=UploadKind.SUITE, **about)


def send_run(
    *,
    actor: Actor,
    checkpoint: Checkpoint,
    format_name: str,
    files: Sequence[SentFile],
    suite: str = "",
    main: str = "",
) -> Upload:
    """Keep the files, with what importing them as that checkpoint's run would do."""
    must_send(actor, UploadKind.RUN)
    log = sent_files.read_run(format_name, files, main)
    found = foreseen.foresee_run(log=log, format_name=format_name, suite=suite)
    about = {"format": format_name, "suite": suite, "main": main, "checkpoint": checkpoint}
    return _kept(actor, files, found.as_dict(), kind=UploadKind.RUN, **about)


def confirm(*, actor: Actor, upload: Upload) -> Confirmed:
    """Import what was sent and drop the files, both or neither."""
    with transaction.atomic():
        row = _mine(Upload.objects.select_for_update(of=("self",)), actor, upload.pk)
        must_send(actor, UploadKind(row.kind))
        done = _imported(actor, row)
        row.delete()
    return done


def drop(*, actor: Actor, upload: Upload) -> None:
    """Forget the files; nothing of them was imported."""
    _mine(Upload.objects.all(), actor, upload.pk).delete()


def drop_old() -> int:
    """Forget what nobody confirmed within a day; how many."""
    n_dropped, _ = Upload.objects.filter(created_at__lt=clock.now() - KEPT_FOR).delete()
    return n_dropped


def waiting(actor: Actor) -> Sequence[Upload]:
    """What the person has yet to confirm, newest first."""
    found = Upload.objects.filter(sent_by_id=actor.person_id).select_related("checkpoint")
    return list(found.defer("content"))


def upload_with_id(actor: Actor, upload_id: UUID) -> Upload:
    """The person's own upload; NotFound for another's."""
    return _mine(Upload.objects.defer("content"), actor, upload_id)


def _mine(rows: Any, actor: Actor, upload_id: UUID) -> Upload:
    found = rows.filter(pk=upload_id, sent_by_id=actor.person_id).first()
    if found is None:
        message = "These files are not here: they were imported, dropped, or sent by another."
        raise NotFound("no_such_upload", message)
    return found  # type: ignore[no-any-return]


def _kept(actor: Actor, files: Sequence[SentFile], told: Any, **about: Any) -> Upload:
    with transaction.atomic():
        made = Upload.objects.create(
            files=[(file.name, len(file.content)) for file in files],
            content=zstandard.compress(b"".join(file.content for file in files)),
            foreseen=outputs.storable_json(told),
            sent_by_id=actor.person_id,
            created_at=clock.now(),
            **about,
        )
        mine = Upload.objects.filter(sent_by_id=actor.person_id).order_by("-created_at", "-pk")
        too_many = list(mine.values_list("pk", flat=True)[MOST_WAITING:])
        Upload.objects.filter(pk__in=too_many).delete()
    return made


def _imported(actor: Actor, row: Upload) -> Confirmed:
    files = _files(row)
    if row.kind == UploadKind.SUITE.value:
        spec = sent_files.read_suite(row.format, files, row.main)
        made = suites.import_suite(actor=actor, name=row.suite, suite=spec)
        return Confirmed(version=made.version, is_new=made.is_new, stale=made.stale)
    log = sent_files.read_run(row.format, files, row.main)
    done = run_imports.import_run(
        actor=actor,
        log=log,
        checkpoint=Checkpoint.objects.get(pk=row.checkpoint_id),
        format_name=row.format,
        suite=row.suite,
    )
    return Confirmed(run=done.run, is_new=done.is_new)


def _files(row: Upload) -> list[SentFile]:
    size = sum(n_bytes for _, n_bytes in row.files)
    whole = zstandard.decompress(bytes(row.content), max_output_size=size) if size else b""
    found, start = [], 0
    for name, n_bytes in row.files:
        found.append(SentFile(name=name, content=whole[start : start + n_bytes]))
        start += n_bytes
    return found
