"""Replays: conversations drawn or imported, asked again, and read where that is allowed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from alpha.services.opened_transcripts import (
    KeptCall,
    kept_calls,
    open_transcript,
    unseal_made,
)
from alpha.services.transcripts import READERS
from evals import outputs
from evals.catalogues import Catalogue
from evals.conversations import conversation_of, conversation_of_line
from evals.formats.contract import CaseSpec, SuiteSpec
from evals.graders.contract import Policy
from evals.models import ReplaySet, Result, Run, SuiteVersion
from evals.services import drafts, runs
from evals.services.public_conversations import public_cases
from evals.services.suites import import_suite
from evals.states import CaseSource, ReplaySource, RunSource
from infra import audit, clock
from infra.actors import Actor
from infra.errors import DomainError, InvalidInput, InvalidMove, Reason
from infra.roles import Scope
from releases.models import Checkpoint, Stage

MOST_CONVERSATIONS = 20_000
# Fewer partners tell nothing about how much partners differ.
MIN_PARTNERS = 5
SHOWN_PROBLEMS = 20
ELSEWHERE = [{"role": "user", "content": "(a partner's conversation, read when it is asked)"}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Which conversations are drawn: of a stage, in [since, until), by a seed."""

    since: datetime
    until: datetime
    n: int = 500
    seed: int = 1
    partner_cap: int | None = None
    """At most so many of one partner; None: a fifth of n, and never fewer than one."""

    @property
    def cap(self) -> int:
        return self.partner_cap or max(1, self.n // MIN_PARTNERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeSet:
    """A set, and whether it is new: the same draw is the same set."""

    replay_set: ReplaySet
    is_new: bool


def draw_set(
    *,
    actor: Actor,
    name: str,
    stage: Stage,
    sampling: Sampling,
    catalogue: Catalogue,
    checkpoint: Checkpoint | None = None,
    owner: str = "",
) -> MadeSet:
    """A replay set of partners' conversations that may be read now; their text stays where it is.

    One conversation a unit, at most `cap` a partner, in an order that the seed alone decides.
    With `checkpoint` only what that one answered. InvalidMove when nothing may be read.
    """
    _must_draw(actor)
    _check(sampling)
    calls = kept_calls(
        stage.pk, sampling.since, sampling.until, checkpoint.pk if checkpoint else None
    )
    cases, n_unusable = _drawn(calls, sampling)
    if not cases:
        message = (
            f"{stage} has no conversation in that window whose partner consents and whose text is "
            "still kept: widen the window, or ask partners for their consent."
        )
        raise InvalidMove("nothing_to_replay", message)
    partners = {case.metadata["partner"] for case in cases}
    if len(partners) >= MIN_PARTNERS:
        cases = [_clustered(case) for case in cases]
    said = {"n": sampling.n, "seed": sampling.seed, "partner_cap": sampling.cap}
    values = {
        "source": ReplaySource.PARTNERS.value,
        "stage": stage,
        "since": sampling.since,
        "until": sampling.until,
        "sample": {**said, "checkpoint": checkpoint.name if checkpoint else None},
        "n_eligible": len(calls),
        "n_unusable": n_unusable,
        "n_partners": len(partners),
    }
    return _made(actor, name, cases, catalogue, owner, values)


def import_set(
    *, actor: Actor, name: str, lines: Iterable[str], catalogue: Catalogue, file: str = "lines"
) -> MadeSet:
    """A replay set from JSONL, one `{"messages": [...], "tools"?, "id"?, "cluster"?}` a line.

    The last message may be the recorded reply; tool calls and tool messages after the last question
    are the record that tools answer from. InvalidInput names every line that is wrong.
    """
    _must_draw(actor)
    cases, problems = public_cases(lines, MOST_CONVERSATIONS)
    if problems:
        reasons = [Reason(code="bad_line", sentence=f"{file} {said}") for said in problems]
        message = f"{file} {problems[0]}"
        raise InvalidInput("bad_conversations", message, reasons[:SHOWN_PROBLEMS])
    if not cases:
        raise InvalidInput("no_conversations", f"{file} holds no conversation.")
    values = {
        "source": ReplaySource.PUBLIC.value,
        "n_eligible": len(cases),
        "n_unusable": 0,
        "n_partners": 0,
    }
    return _made(actor, name, cases, catalogue, "", values)


def start_replay(
    *, actor: Actor, replay_set: ReplaySet, checkpoint: Checkpoint, **options: Any
) -> Run:
    """An eval run that asks the set's last replies again; options are those of `start_run`."""
    return runs.start_run(actor=actor, version=replay_set.version, checkpoint=checkpoint, **options)


def grade_recorded(
    *, actor: Actor, replay_set: ReplaySet, checkpoint: Checkpoint, idempotency_key: str = ""
) -> Run:
    """A run that grades what the record says the checkpoint replied, without a call of it.

    Refused unless the set was drawn from that checkpoint's calls alone.
    """
    actor.must("start eval runs", *runs.STARTERS, scope=Scope.RUN)
    if replay_set.sample.get("checkpoint") != checkpoint.name:
        message = f"{replay_set} was not drawn from the calls of {checkpoint.name} alone."
        raise InvalidMove("not_its_replies", message)
    run = Run(
        version=replay_set.version,
        checkpoint=checkpoint,
        source=RunSource.RECORDED.value,
        seed=int(replay_set.sample["seed"]),
        idempotency_key=idempotency_key,
        n_expected=replay_set.version.n_cases,
        started_by=actor.name,
        created_at=clock.now(),
    )
    return runs.begin_once(actor, run)


def read_reply(*, actor: Actor, result: Result) -> dict[str, Any]:
    """What was asked and replied: `{"asked", "text", "tool_calls", "explanations"}`.

    A partner's conversation opens for its readers alone, and never again once it was erased.
    """
    request_id = result.case.metadata.get("request_id")
    if request_id is None:
        answer = outputs.unpack(result.output) or outputs.Output()
        found = conversation_of_line(result.case.metadata["line"])
        shares = result.components.items()
        said = {
            "text": answer.text,
            "tool_calls": list(answer.tool_calls),
            "explanations": {label: share["explanation"] for label, share in shares},
        }
    else:
        actor.must("read partners' conversations", *READERS)
        opened = open_transcript(UUID(request_id))
        found = conversation_of(opened.text.get("request") or {}, opened.text.get("reply"))
        said = unseal_made(
            actor=actor,
            request_id=UUID(request_id),
            name=result.case_id,
            sealed=bytes(result.output),
        )
    return {"asked": list(found.prefix) if found else [], **said}


def _must_draw(actor: Actor) -> None:
    drafts.must_edit(actor)


def _check(sampling: Sampling) -> None:
    if not 1 <= sampling.n <= MOST_CONVERSATIONS:
        message = f"n is {sampling.n}: choose 1 to {MOST_CONVERSATIONS:,}."
        raise InvalidInput("bad_n", message)
    if sampling.partner_cap is not None and not 1 <= sampling.partner_cap <= sampling.n:
        message = f"partner_cap is {sampling.partner_cap}: choose 1 to n."
        raise InvalidInput("bad_partner_cap", message)
    if sampling.since >= sampling.until:
        raise InvalidInput("bad_window", "The window ends before it begins: since < until.")


def _drawn(calls: Sequence[KeptCall], sampling: Sampling) -> tuple[list[CaseSpec], int]:
    """At most n usable conversations in the seed's order, and how many were unusable."""
    ordered = sorted(calls, key=lambda call: _rank(sampling.seed, call.request_id))
    taken: dict[UUID, int] = {}
    cases: list[CaseSpec] = []
    n_unusable = 0
    for call in ordered:
        if len(cases) == sampling.n:
            break
        if taken.get(call.partner_id, 0) == sampling.cap:
            continue
        if not _is_usable(call.request_id):
            n_unusable += 1
            continue
        taken[call.partner_id] = taken.get(call.partner_id, 0) + 1
        cases.append(_partner_case(call))
    return cases, n_unusable


def _rank(seed: int, request_id: UUID) -> bytes:
    return hashlib.sha256(f"{seed}:{request_id}".encode()).digest()


def _is_usable(request_id: UUID) -> bool:
    try:
        opened = open_transcript(request_id)
    except DomainError:
        return False
    request = opened.text.get("request") or {}
    return conversation_of(request, opened.text.get("reply")) is not None


def _partner_case(call: KeptCall) -> CaseSpec:
    known = {"request_id": str(call.request_id), "partner": str(call.partner_id)}
    return CaseSpec(
        case_id=str(call.request_id), input=ELSEWHERE, metadata=known, source=CaseSource.REPLAY
    )


def _clustered(case: CaseSpec) -> CaseSpec:
    return replace(case, cluster=str(case.metadata["partner"]))


def _made(
    actor: Actor,
    name: str,
    cases: Sequence[CaseSpec],
    catalogue: Catalogue,
    owner: str,
    values: dict[str, Any],
) -> MadeSet:
    suite = SuiteSpec(
        name=name,
        cases=cases,
        graders=catalogue.graders(),
        components={mode.name: mode.sentence for mode in catalogue.modes},
        description="Recorded conversations, asked again.",
        owner=owner,
        # A refusal, or no answer in time, is no failure mode unless a mode says so.
        policy=Policy(refused=1.0, unparsable=0.0, timed_out=1.0),
    )
    with transaction.atomic():
        imported = import_suite(actor=actor, name=name, suite=suite)
        found = _set_of(imported.version)
        if found is not None:
            return MadeSet(replay_set=found, is_new=False)
        _refuse_other_suite(imported.version, imported.is_new)
        row = ReplaySet.objects.create(
            version=imported.version,
            catalogue=catalogue.as_json(),
            catalogue_digest=catalogue.digest(),
            made_by=actor.name,
            made_at=clock.now(),
            **values,
        )
        after = {"n": len(cases), "catalogue": row.catalogue_digest, **row.sample}
        audit.record(actor=actor, action="replay_set.made", subject=row, after=after)
    return MadeSet(replay_set=row, is_new=True)


def _set_of(version: SuiteVersion) -> ReplaySet | None:
    return ReplaySet.objects.select_related("version__suite").filter(version=version).first()


def _refuse_other_suite(version: SuiteVersion, is_new: bool) -> None:
    """A suite of another making keeps its name to itself."""
    older = version.suite.versions.exclude(pk=version.pk)
    if not is_new or older.filter(replay_set=None).exists():
        message = f"{version.suite.name} is a suite of cases: give the replay set another name."
        raise InvalidMove("name_of_a_suite", message)
