"""Cases of a draft: written, taken out, or made from what a partner said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from alpha.models import Feedback
from alpha.services import feedback as inbox
from alpha.services.transcripts import conversation_of
from evals.asked import messages_of
from evals.formats.contract import CaseSpec
from evals.models import Case, Suite, SuiteVersion
from evals.services import case_checks, drafts
from evals.states import CaseSource
from infra import audit
from infra.actors import Actor
from infra.errors import InvalidInput
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
        row = _append(draft, case, components or {})
        _audit_added(actor, row)
    return row


def _append(
    draft: SuiteVersion,
    case: CaseSpec,
    components: Mapping[str, str],
    feedback: Feedback | None = None,
) -> Case:
    version = drafts.locked(draft)
    version.components = {**version.components, **components}
    case_checks.check_case(case, version.graders, version.components)
    case_checks.check_judges(case.graders)
    if version.cases.filter(case_id=case.case_id).exists():
        message = f"{version} has a case {case.case_id!r} already: choose another id."
        raise InvalidInput("case_id_taken", message)
    last = version.cases.order_by("-position").values_list("position", flat=True).first()
    row = drafts.case_row(version, case, 0 if last is None else last + 1)
    row.feedback = feedback
    row.save(force_insert=True)
    version.n_cases = version.cases.count()
    version.save(update_fields=["components", "n_cases"])
    return row


def _audit_added(actor: Actor, row: Case) -> None:
    after = {"case_id": row.case_id, "digest": row.digest, "source": row.source}
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
    reason: str = "made into an eval case",
) -> MadeCase:
    """A case in the suite's next version, made from a partner's feedback, in one transaction.

    `messages` are what the checkpoint is asked, by default those of the kept transcript; the
    suite's graders, and the case's own, judge against `target`. The feedback is `in_suite`
    afterwards, and the case keeps the way back to it. Publishing needs an editor of suites; whoever
    triages feedback may add to the draft.
    """
    actor.must("make cases from feedback", *TRIAGERS)
    if publish:
        drafts.must_edit(actor)
    spec = CaseSpec(
        case_id=case_id or f"feedback-{feedback.pk}",
        input=_asked(actor, feedback) if messages is None else messages,
        target=target,
        components=components,
        graders=graders,
        cluster=cluster,
        source=CaseSource.FEEDBACK,
    )
    with transaction.atomic():
        draft, _ = drafts.ensure_draft(suite)
        row = _append(draft, spec, {}, feedback)
        published = drafts.freeze(actor, draft) if publish else None
        row.version = published.version if published else row.version
        _audit_added(actor, row)
        inbox.mark_in_suite(actor=actor, feedback=feedback, reason=reason)
        if published:
            drafts.audit_published(actor, published)
    return MadeCase(case=row, stale=published.stale if published else ())


def _asked(actor: Actor, feedback: Feedback) -> list[dict[str, Any]]:
    """The messages of the call, from the transcript that the partner agreed to keep."""
    kept = conversation_of(actor=actor, feedback=feedback)
    found = messages_of(kept["request"]) if kept else []
    if not found:
        why = "holds no messages" if kept else "is not kept"
        message = f"The text of this call {why}: write the messages of the case."
        raise InvalidInput("messages_unknown", message)
    return found
