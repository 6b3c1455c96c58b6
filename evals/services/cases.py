"""Cases of a draft: written, taken out, or made from what a partner said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from alpha.models import Feedback, Finding
from alpha.services import feedback as inbox
from alpha.services.transcripts import conversation_of
from evals.asked import messages_of
from evals.formats.contract import CaseSpec
from evals.models import Case, Suite, SuiteVersion
from evals.redaction import Personal, Redactor, found_in
from evals.services import case_checks, drafts
from evals.states import CaseSource
from infra import audit
from infra.actors import Actor
from infra.errors import InvalidInput, Reason
from infra.roles import Role
from releases.selectors.staleness import Stale

TRIAGERS = (Role.EVAL_OWNER, Role.BEHAVIOUR_REVIEWER, Role.RELEASE_MANAGER)


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeCase:
    """A case made from feedback, and what went stale when its version was published."""

    case: Case
    stale: Sequence[Stale]


def add_case(
    *,
    actor: Actor,
    draft: SuiteVersion,
    case: CaseSpec,
    components: Mapping[str, str] | None = None,
) -> Case:
    """Append a case to a draft; `components` declares labels that the draft has not yet."""
    drafts.must_edit(actor)
    with transaction.atomic():
        row = append(draft, case, components or {})
        audit_added(actor, row)
    return row


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a case was made from."""

    feedback: Feedback | None = None
    finding: Finding | None = None
    probe_id: UUID | None = None


WRITTEN = Origin()


def append(
    draft: SuiteVersion, case: CaseSpec, components: Mapping[str, str], origin: Origin = WRITTEN
) -> Case:
    """The case at the end of the draft, checked; inside a transaction, and not audited."""
    version = drafts.locked(draft)
    version.components = {**version.components, **components}
    case_checks.check_case(case, version.graders, version.components)
    case_checks.check_judges(case.graders)
    if version.cases.filter(case_id=case.case_id).exists():
        message = f"{version} has a case {case.case_id!r} already: choose another id."
        raise InvalidInput("case_id_taken", message)
    last = version.cases.order_by("-position").values_list("position", flat=True).first()
    row = drafts.case_row(version, case, 0 if last is None else last + 1)
    row.feedback, row.finding = origin.feedback, origin.finding
    row.probe_id = origin.probe_id
    row.save(force_insert=True)
    version.n_cases = version.cases.count()
    version.save(update_fields=["components", "n_cases"])
    return row


def audit_added(actor: Actor, row: Case) -> None:
    """The entry of a case that was appended in this transaction."""
    after = {"case_id": row.case_id, "digest": row.digest, "source": row.source}
    if row.finding_id:
        after["finding"] = str(row.finding_id)
    audit.record(actor=actor, action="suite.case_added", subject=row.version, after=after)


def remove_case(*, actor: Actor, draft: SuiteVersion, case_id: str, reason: str) -> None:
    """Take a case out of a draft, with the reason."""
    drafts.must_edit(actor)
    with transaction.atomic():
        version = drafts.locked(draft)
        removed, _ = version.cases.filter(case_id=case_id).delete()
        if not removed:
            raise InvalidInput("no_such_case", f"{version} has no case {case_id!r}.")
        version.n_cases = version.cases.count()
        version.save(update_fields=["n_cases"])
        before = {"case_id": case_id}
        audit.record(
            actor=actor, action="suite.case_removed", subject=version, reason=reason, before=before
        )


def case_from_feedback(
    *,
    actor: Actor,
    feedback: Feedback,
    suite: Suite,
    target: Any,
    messages: Sequence[Mapping[str, Any]] | None = None,
    components: Sequence[str] = (),
    graders: Sequence[Mapping[str, Any]] = (),
    case_id: str = "",
    cluster: str = "",
    publish: bool = False,
    keep_personal: bool = False,
    reason: str = "made into an eval case",
) -> MadeCase:
    """A case in the suite's next version, made from a partner's feedback, in one transaction.

    `messages` are what the checkpoint is asked, by default those of the kept transcript without
    personal data; the suite's graders, and the case's own, judge against `target`. Messages and a
    target with personal data in them are refused unless `keep_personal` says that it is none. The
    feedback is `in_suite` afterwards, and the case keeps the way back to it. Publishing needs an
    editor of suites; whoever triages feedback may add to the draft.
    """
    actor.must("make cases from feedback", *TRIAGERS)
    if publish:
        drafts.must_edit(actor)
    asked = _asked(actor, feedback) if messages is None else messages
    if not keep_personal:
        must_be_redacted({"messages": asked, "target": target})
    spec = CaseSpec(
        case_id=case_id or f"feedback-{feedback.pk}",
        input=asked,
        target=target,
        components=components,
        graders=graders,
        cluster=cluster,
        source=CaseSource.FEEDBACK,
    )
    with transaction.atomic():
        draft, _ = drafts.ensure_draft(suite)
        row = append(draft, spec, {}, Origin(feedback=feedback))
        published = drafts.freeze(actor, draft) if publish else None
        row.version = published.version if published else row.version
        audit_added(actor, row)
        inbox.mark_in_suite(actor=actor, feedback=feedback, reason=reason)
        if published:
            drafts.audit_published(actor, published)
    return MadeCase(case=row, stale=published.stale if published else ())


def _asked(actor: Actor, feedback: Feedback) -> list[dict[str, Any]]:
    """The messages of the call without personal data, from the transcript that is kept."""
    kept = conversation_of(actor=actor, feedback=feedback)
    found = messages_of(kept["request"]) if kept else []
    if not found:
        why = "holds no messages" if kept else "is not kept"
        message = f"The text of this call {why}: write the messages of the case."
        raise InvalidInput("messages_unknown", message)
    return list(Redactor().redacted(found))


def must_be_redacted(parts: Mapping[str, Any]) -> None:
    """InvalidInput naming every place with what looks like personal data or a secret."""
    found = found_in(parts)
    if not found:
        return
    reasons = [
        Reason(
            code=f"personal_{one.kind.value}",
            sentence=f"{one.where} holds what looks like {_A[one.kind]}: write {one.put} for it.",
        )
        for one in found
    ]
    message = "This looks like personal data: take it out, or say that it is none."
    raise InvalidInput("personal_data", message, reasons)


_A: Mapping[Personal, str] = {
    Personal.KEY: "a key or password",
    Personal.EMAIL: "an e-mail address",
    Personal.IBAN: "an account number (IBAN)",
    Personal.CARD: "a card number",
    Personal.SSN: "a social security number",
    Personal.PHONE: "a telephone number",
}
