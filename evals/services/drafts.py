"""The one open draft of a suite: begun as a copy, edited, published or discarded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction

from evals.formats.contract import CaseSpec, SuiteSpec, policy_as_json
from evals.models import Case, Suite, SuiteVersion
from evals.selectors import suites as reads
from evals.services import case_checks
from evals.states import VersionState
from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidMove
from infra.roles import Role, Scope
from releases.selectors.staleness import Stale
from releases.services.promotions import inputs_changed

EDITORS = (Role.EVAL_OWNER, Role.RELEASE_MANAGER)
CASES_AT_ONCE = 500


def must_edit(actor: Actor) -> None:
    """NotPermitted unless the actor may change suites."""
    actor.must("change suites", *EDITORS, scope=Scope.SUITES)


def draft_of(*, actor: Actor, suite: Suite) -> SuiteVersion:
    """The suite's open draft; a new one begins as a copy of the newest published version."""
    must_edit(actor)
    with transaction.atomic():
        draft, is_new = ensure_draft(suite)
        if is_new:
            audit.record(actor=actor, action="suite.draft_opened", subject=draft)
    return draft


def ensure_draft(suite: Suite) -> tuple[SuiteVersion, bool]:
    """The suite's draft and whether it was begun just now; inside a transaction, not audited."""
    row = Suite.objects.select_for_update().get(pk=suite.pk)
    found = reads.draft(row)
    if found is not None:
        return found, False
    newest = reads.newest_published(row)
    if newest is None:
        message = f"Suite {row.name} has no published version to start from: import one."
        raise InvalidMove("nothing_published", message)
    version = new_draft(row, reads.spec_of(newest))
    _copy_cases(newest, version)
    return version, True


def discard_draft(*, actor: Actor, suite: Suite, reason: str) -> None:
    """Drop the open draft with its edits; published versions stay."""
    must_edit(actor)
    with transaction.atomic():
        row = Suite.objects.select_for_update().get(pk=suite.pk)
        version = reads.draft(row)
        if version is None:
            raise InvalidMove("no_draft", f"Suite {row.name} has no open draft.")
        audit.record(actor=actor, action="suite.draft_discarded", subject=version, reason=reason)
        version.delete()


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A draft that was frozen, and what went stale by it."""

    version: SuiteVersion
    stale: Sequence[Stale]


def publish(*, actor: Actor, draft: SuiteVersion) -> Published:
    """Freeze a draft under its digest; outcomes that rest on the older version become stale.

    `evals.selectors.suites.stale_by_draft` tells which beforehand.
    """
    must_edit(actor)
    with transaction.atomic():
        published = freeze(actor, draft)
        audit_published(actor, published)
    return published


def freeze(actor: Actor, draft: SuiteVersion) -> Published:
    """The published version, and what became stale by it; not audited.

    It locks promotions, so whatever audits in the same transaction does it afterwards: everyone
    takes those two locks in this order.
    """
    version = locked(draft)
    spec = reads.spec_of(version)
    case_checks.check_suite(version.suite.name, spec)
    older = reads.newest_published(version.suite)
    digest = spec.digest()
    if older is not None and older.digest == digest:
        message = f"{version} holds exactly what {older} does: there is nothing to publish."
        raise InvalidMove("nothing_changed", message)
    version.state = VersionState.PUBLISHED.value
    version.digest = digest
    version.n_cases = len(spec.cases)
    version.published_at = clock.now()
    version.save(update_fields=["state", "digest", "n_cases", "published_at"])
    touched = inputs_changed(
        actor=actor,
        digests=reads.input_digests(version, version.suite.name),
        reason=f"{version} was published",
    )
    return Published(version=version, stale=touched)


def audit_published(actor: Actor, published: Published) -> None:
    """The entry of a version that was frozen in this transaction."""
    version = published.version
    after = {
        "digest": version.digest,
        "n_cases": version.n_cases,
        "made_stale": [stale.sentence for stale in published.stale],
    }
    audit.record(actor=actor, action="suite.published", subject=version, after=after)


def refuse_open(suite: Suite) -> None:
    """InvalidMove while the suite has an open draft."""
    found = reads.draft(suite)
    if found is not None:
        message = f"{found} is an open draft with edits: publish or discard it before importing."
        raise InvalidMove("draft_open", message)


def new_draft(suite: Suite, spec: SuiteSpec) -> SuiteVersion:
    """A draft under the next number, without cases yet; the suite's row must be locked."""
    last = suite.versions.order_by("-number").values_list("number", flat=True).first()
    return SuiteVersion.objects.create(
        suite=suite,
        number=(last or 0) + 1,
        components=spec.components,
        graders=spec.graders,
        policy=policy_as_json(spec.policy),
        request=spec.request,
        canary=spec.canary,
        n_cases=len(spec.cases),
    )


def locked(version: SuiteVersion) -> SuiteVersion:
    """The draft as it is now, locked; InvalidMove when it is published."""
    found = (
        SuiteVersion.objects.select_for_update(of=("self",))
        .select_related("suite__owner")
        .get(pk=version.pk)
    )
    if found.state != VersionState.DRAFT.value:
        message = f"{found} is published and never changes: edit the suite's draft."
        raise InvalidMove("version_published", message)
    return found


def add_cases(version: SuiteVersion, cases: Iterable[CaseSpec]) -> None:
    """Write the cases into an empty draft, in their order."""
    rows = [case_row(version, case, position) for position, case in enumerate(cases)]
    Case.objects.bulk_create(rows, batch_size=CASES_AT_ONCE)


def _copy_cases(source: SuiteVersion, target: SuiteVersion) -> None:
    """Cases with their lineage: feedback, finding and probe that a case came from stay with it."""
    rows = []
    for case in source.cases.order_by("position"):
        copy = case_row(target, reads.case_spec(case), case.position)
        copy.feedback_id = case.feedback_id
        copy.finding_id, copy.probe_id = case.finding_id, case.probe_id
        rows.append(copy)
    Case.objects.bulk_create(rows, batch_size=CASES_AT_ONCE)


def case_row(version: SuiteVersion, case: CaseSpec, position: int) -> Case:
    """The case as a row that is not saved yet."""
    return Case(
        version=version,
        position=position,
        case_id=case.case_id,
        input=list(case.input),
        tools=list(case.tools) or None,
        target=case.target,
        metadata=dict(case.metadata),
        request=dict(case.request),
        serving=dict(case.serving),
        graders=list(case.graders),
        components=list(case.components),
        cluster=case.cluster,
        source=case.source.value,
        digest=case.digest(),
    )
