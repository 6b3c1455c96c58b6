"""A confirmed weakness becomes cases: a finding's remarks, several at once, seen before they stay.

`plan` shows each case without personal data and what was taken out; `make` takes the plan's digest,
so that what was seen is what is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction

from alpha import selectors as alpha_reads
from alpha.models import Feedback, Finding
from alpha.services import feedback as inbox
from alpha.services.transcripts import texts_of
from alpha.states import FeedbackState, FindingState
from evals.asked import messages_of
from evals.formats.contract import CaseSpec, sha256_of
from evals.models import Case, Suite, SuiteVersion
from evals.redaction import Redactor, Replacement
from evals.selectors import suites
from evals.services import case_checks, cases, drafts
from evals.services.cases import TRIAGERS, Origin
from evals.states import CaseSource
from infra.actors import Actor
from infra.errors import DomainError, InvalidInput, InvalidMove, Reason

# A finding that was taken for a weakness once, and then for none.
NO_WEAKNESS = frozenset({FindingState.NOT_REPRODUCED.value, FindingState.BY_DESIGN.value})
# Remarks that no case was made of, and that nobody put aside.
OPEN_REMARKS = frozenset({FeedbackState.NEW.value, FeedbackState.LINKED.value})
CANARY = "canary"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One remark, and what a person says of its case; None: as the call and the correction are."""

    feedback_id: UUID
    messages: Sequence[Mapping[str, Any]] | None = None
    target: Any = None
    case_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Which remarks become cases of which suite; the rest is the same for all of them."""

    finding: Finding
    suite: Suite
    choices: Sequence[Choice]
    target: Any = None
    """Of remarks that bring none of their own and no correction."""
    components: Sequence[str] = ()
    graders: Sequence[Mapping[str, Any]] = ()
    probe_id: UUID | None = None
    """The experiment that isolated it; None: the one that the finding names, if any."""
    keep_personal: bool = False
    """What looks like personal data in what a person wrote is none."""

    @property
    def probe(self) -> UUID | None:
        """The experiment that the cases come from."""
        return self.probe_id or self.finding.probe_id


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCase:
    """A case as it would be written, or why it can't be."""

    feedback: Feedback
    spec: CaseSpec | None
    replaced: Sequence[Replacement] = ()
    refusals: Sequence[Reason] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All cases of one wish; `digest` changes with every letter of them."""

    cases: Sequence[PlannedCase]
    digest: str
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def refusals(self) -> list[Reason]:
        """Of every case, in their order."""
        return [reason for case in self.cases for reason in case.refusals]


def plan(*, actor: Actor, wish: Wish) -> Plan:
    """What would be written, without writing it; the refusals of single remarks are in it.

    InvalidMove where the finding is no confirmed weakness; InvalidInput where nothing is chosen.
    """
    actor.must("make cases from findings", *TRIAGERS)
    _must_be_weakness(wish.finding)
    _must_be_its_probe(wish)
    remarks = _remarks(wish)
    kept = texts_of(actor=actor, request_ids={r.request_id for r in remarks if r.request_id})
    version = suites.draft(wish.suite) or suites.newest_published(wish.suite)
    planned = [
        _planned(wish, choice, remark, kept.texts.get(remark.request_id), version)
        for choice, remark in zip(wish.choices, remarks, strict=True)
    ]
    has_canary = version is not None and version.canary
    notes = () if has_canary else (f"Suite {wish.suite.name} has no canary: its cases bear none.",)
    written = [one.spec.as_json() if one.spec else None for one in planned]
    origin = [str(wish.finding.pk), wish.suite.name, str(wish.probe)]
    return Plan(cases=planned, digest=sha256_of([origin, written]), notes=notes)


def make(*, actor: Actor, wish: Wish, digest: str, reason: str) -> list[Case]:
    """The planned cases in the suite's draft, all or none; the remarks are `in_suite` afterwards.

    InvalidMove when the plan is no longer the one of that digest: show it again.
    """
    found = plan(actor=actor, wish=wish)
    if found.refusals:
        raise InvalidInput("cases_refused", "Nothing was written.", found.refusals)
    if found.digest != digest:
        message = "What would be written changed since it was shown: look at it again."
        raise InvalidMove("plan_changed", message)
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why: the reporter and the auditor will ask.")
    with transaction.atomic():
        draft, _ = drafts.ensure_draft(wish.suite)
        rows = [_append(draft, one, wish) for one in found.cases]
        for row, one in zip(rows, found.cases, strict=True):
            cases.audit_added(actor, row)
            inbox.mark_in_suite(actor=actor, feedback=one.feedback, reason=reason)
    return rows


def _append(draft: SuiteVersion, one: PlannedCase, wish: Wish) -> Case:
    if one.spec is None:
        raise InvalidInput("cases_refused", "Nothing was written.", one.refusals)
    origin = Origin(feedback=one.feedback, finding=wish.finding, probe_id=wish.probe)
    return cases.append(draft, one.spec, {}, origin)


def _must_be_weakness(finding: Finding) -> None:
    if finding.confirmed_at is None:
        message = "Nobody has confirmed this finding: say first that it is a weakness."
        raise InvalidMove("finding_unconfirmed", message)
    if finding.state in NO_WEAKNESS:
        message = f"This finding is {finding.state.replace('_', ' ')}: there is nothing to prove."
        raise InvalidMove("finding_no_weakness", message)


def _must_be_its_probe(wish: Wish) -> None:
    if wish.probe_id is None or wish.finding.probes.filter(pk=wish.probe_id).exists():
        return
    message = f"{wish.probe_id} is no probe of this finding: leave it out, or name one that is."
    raise InvalidInput("probe_not_its", message)


def _remarks(wish: Wish) -> list[Feedback]:
    """The chosen remarks in the order of the choices; InvalidInput for one of another finding."""
    ids = [choice.feedback_id for choice in wish.choices]
    if not ids or len(set(ids)) < len(ids):
        message = "Choose at least one remark, each of them once."
        raise InvalidInput("nothing_chosen", message)
    linked = Feedback.objects.filter(reports__finding=wish.finding, pk__in=ids)
    found = {remark.pk: remark for remark in linked.select_related("partner")}
    strangers = [str(one) for one in ids if one not in found]
    if strangers:
        message = f"Not linked to this finding: {', '.join(strangers)}. Link it first."
        raise InvalidInput("remark_not_linked", message)
    return [found[one] for one in ids]


def _planned(
    wish: Wish,
    choice: Choice,
    remark: Feedback,
    kept: Mapping[str, Any] | None,
    version: SuiteVersion | None,
) -> PlannedCase:
    redactor, refusals = Redactor(), list(_state_refusals(remark))
    messages = _messages(wish, choice, remark, kept, redactor, refusals)
    target = _target(wish, choice, remark, redactor, refusals)
    canary = version.canary if version else ""
    spec = CaseSpec(
        case_id=choice.case_id or f"feedback-{remark.pk}",
        input=list(messages),
        target=target,
        components=tuple(wish.components),
        graders=tuple(wish.graders),
        metadata={CANARY: canary} if canary else {},
        source=CaseSource.FEEDBACK,
    )
    if version is not None and not refusals:
        refusals += _case_refusals(version, spec)
    return PlannedCase(
        feedback=remark,
        spec=None if refusals else spec,
        replaced=redactor.found,
        refusals=refusals,
    )


def _messages(
    wish: Wish,
    choice: Choice,
    remark: Feedback,
    kept: Mapping[str, Any] | None,
    redactor: Redactor,
    refusals: list[Reason],
) -> Sequence[Mapping[str, Any]]:
    """What a person wrote, else what the call asked where its text may be used."""
    if choice.messages is not None:
        refusals += _personal_refusals(wish, {"messages": choice.messages})
        return choice.messages
    asked = messages_of(kept["request"]) if kept is not None else []
    if not asked:
        refusals.append(_no_text(remark, is_kept=kept is not None))
    return list(redactor.redacted(asked, "messages"))


def _target(
    wish: Wish, choice: Choice, remark: Feedback, redactor: Redactor, refusals: list[Reason]
) -> Any:
    """What a person said of this case, else the correction, else what is said of all."""
    if choice.target is None and remark.correction:
        return redactor.redacted(remark.correction, "target")
    target = wish.target if choice.target is None else choice.target
    if target is None:
        sentence = f"{_named(remark)} has no correction: say what a good answer must satisfy."
        refusals.append(Reason(code="target_missing", sentence=sentence))
    refusals += _personal_refusals(wish, {"target": target})
    return target


def _case_refusals(version: SuiteVersion, spec: CaseSpec) -> list[Reason]:
    """What the suite's draft would refuse of the case."""
    try:
        case_checks.check_case(spec, version.graders, version.components)
        case_checks.check_judges(spec.graders)
    except DomainError as refusal:
        return [Reason(code=refusal.code, sentence=refusal.message)]
    if version.cases.filter(case_id=spec.case_id).exists():
        sentence = f"{version} has a case {spec.case_id!r} already: choose another id."
        return [Reason(code="case_id_taken", sentence=sentence)]
    return []


def _state_refusals(remark: Feedback) -> list[Reason]:
    if remark.state in OPEN_REMARKS:
        return []
    state = remark.state.replace("_", " ")
    sentence = f"{_named(remark)} is {state}: only a new or a linked one becomes one."
    return [Reason(code="remark_not_new", sentence=sentence)]


def _personal_refusals(wish: Wish, parts: Mapping[str, Any]) -> Sequence[Reason]:
    if wish.keep_personal:
        return ()
    try:
        cases.must_be_redacted(parts)
    except DomainError as refusal:
        return refusal.reasons
    return ()


def _no_text(remark: Feedback, *, is_kept: bool) -> Reason:
    """Why the call's text can't be used: the consent of its time, or what became of the text."""
    event = alpha_reads.usage_event(remark.request_id, remark.partner_id)
    if is_kept:
        code, why = "messages_unknown", "the kept text of its call holds no messages"
    elif remark.request_id is None:
        code, why = "no_call", "it names no call"
    elif event is not None and not event.grant.transcript_consent:
        code = "no_consent"
        why = f"{remark.partner} had not consented to the use of its text when the call was made"
    else:
        code, why = "text_gone", "the text of its call is not kept: it was erased or ran out"
    sentence = f"{_named(remark)} can't be used as it is: {why}. Write the messages anew."
    return Reason(code=code, sentence=sentence)


def _named(remark: Feedback) -> str:
    return f"The remark {remark.pk} of {remark.partner}"
