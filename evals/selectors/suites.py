"""Reads over suites, their versions and cases."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from evals.formats.contract import (
    CaseSpec,
    SuiteSpec,
    policy_as_json,
    sha256_of,
    suite_digest,
)
from evals.graders.contract import GradedCase, Policy
from evals.models import Case, Suite, SuiteVersion
from evals.states import CaseSource, VersionState
from infra.errors import NotFound
from releases.selectors.staleness import Stale, stale_by_inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDiff:
    """What changed from one version to another."""

    added: tuple[str, ...]
    """Ids of cases that only the second has."""
    removed: tuple[str, ...]
    """Ids of cases that only the first has."""
    changed: tuple[str, ...]
    """Ids of cases whose content differs."""
    settings: tuple[str, ...]
    """Which of graders, policy, request and components differ."""

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.removed or self.changed or self.settings)


def suites(*, probes: bool = False) -> QuerySet[Suite]:
    """All suites with the number and size of their newest published version.

    Those that probes made are left out; with `probes` they are what is given.
    """
    newest = SuiteVersion.objects.filter(
        suite=OuterRef("pk"), state=VersionState.PUBLISHED.value
    ).order_by("-number")
    return (
        Suite.objects.filter(is_internal=probes)
        .select_related("owner")
        .annotate(
            version_number=Subquery(newest.values("number")[:1]),
            version_n_cases=Subquery(newest.values("n_cases")[:1]),
            version_published_at=Subquery(newest.values("published_at")[:1]),
        )
    )


def suite_named(name: str) -> Suite:
    """The suite of that name; NotFound names those there are."""
    suite = Suite.objects.select_related("owner").filter(name=name).first()
    if suite is None:
        known = ", ".join(Suite.objects.values_list("name", flat=True)[:20])
        message = f"No suite {name!r}; there are: {known or 'none yet'}."
        raise NotFound("no_such_suite", message)
    return suite


def newest_published(suite: Suite) -> SuiteVersion | None:
    """The suite's newest published version; None before the first."""
    return suite.versions.filter(state=VersionState.PUBLISHED.value).order_by("-number").first()


def draft(suite: Suite) -> SuiteVersion | None:
    """The suite's open draft; None when there is none."""
    return suite.versions.filter(state=VersionState.DRAFT.value).first()


def version_named(reference: str) -> SuiteVersion:
    """The published version that `sql` (the newest) or `sql@7` names; NotFound otherwise."""
    name, _, number = reference.partition("@")
    suite = suite_named(name)
    if not number:
        version = newest_published(suite)
        missing = f"Suite {name} has no published version yet."
    else:
        published = suite.versions.filter(state=VersionState.PUBLISHED.value)
        is_number = number.isdecimal() and len(number) < 10
        version = published.filter(number=int(number)).first() if is_number else None
        known = ", ".join(f"{name}@{n}" for n in published.values_list("number", flat=True)[:20])
        missing = f"No published version {reference!r}; there are: {known or 'none'}."
    if version is None:
        raise NotFound("no_such_version", missing)
    version.suite = suite
    return version


def graded_case(case: Case) -> GradedCase:
    """The part of a case that graders see."""
    return GradedCase(
        case_id=case.case_id,
        input=case.input,
        tools=case.tools or (),
        target=case.target,
        metadata=case.metadata,
        components=case.components,
        graders=case.graders,
    )


def case_spec(case: Case) -> CaseSpec:
    """The case as files carry it."""
    return CaseSpec(
        case_id=case.case_id,
        input=case.input,
        tools=case.tools or (),
        target=case.target,
        metadata=case.metadata,
        components=case.components,
        cluster=case.cluster,
        source=CaseSource(case.source),
        request=case.request,
        serving=case.serving,
        graders=case.graders,
    )


def policy_of(version: SuiteVersion) -> Policy:
    """What the version counts for answers without gradable content."""
    return Policy(**version.policy)


def spec_of(version: SuiteVersion) -> SuiteSpec:
    """The version as files carry it; its digest is the version's."""
    cases = tuple(case_spec(case) for case in version.cases.order_by("position"))
    return dataclasses.replace(head_of(version), cases=cases)


def head_of(version: SuiteVersion) -> SuiteSpec:
    """As spec_of, without the cases."""
    suite = version.suite
    return SuiteSpec(
        name=suite.name,
        cases=(),
        graders=version.graders,
        components=version.components,
        description=suite.description,
        owner=suite.owner.email,
        shelf_days=suite.shelf_days,
        review_by=suite.review_by,
        policy=policy_of(version),
        canary=version.canary,
        request=version.request,
    )


def input_digests(version: SuiteVersion, reference: str) -> dict[str, str]:
    """What a gate that names the suite as `reference` (`sql`, or `sql@7`) rests on, by name."""
    return _digests(reference, version.digest, version.graders, version.policy)


def stale_by_draft(version: SuiteVersion) -> list[Stale]:
    """What publishing this draft makes stale, by promotion."""
    cases = version.cases.values_list("case_id", "digest")
    digest = suite_digest(head_of(version), cases)
    name = version.suite.name
    return stale_by_inputs(_digests(name, digest, version.graders, version.policy))


def stale_by_import(name: str, suite: SuiteSpec) -> list[Stale]:
    """What importing and publishing this suite under that name makes stale, by promotion."""
    policy = policy_as_json(suite.policy)
    return stale_by_inputs(_digests(name, suite.digest(), suite.graders, policy))


def _digests(reference: str, digest: str, graders: Any, policy: Any) -> dict[str, str]:
    return {
        f"suite {reference}": digest,
        f"graders of {reference}": sha256_of({"graders": graders, "policy": policy}),
    }


def diff(version_a: SuiteVersion, version_b: SuiteVersion) -> VersionDiff:
    """What changed from version_a to version_b."""
    before = dict(version_a.cases.values_list("case_id", "digest"))
    after = dict(version_b.cases.values_list("case_id", "digest"))
    return VersionDiff(
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=tuple(
            sorted(case for case in before.keys() & after.keys() if before[case] != after[case])
        ),
        settings=_changed_settings(version_a, version_b),
    )


def _changed_settings(version_a: SuiteVersion, version_b: SuiteVersion) -> tuple[str, ...]:
    fields: Sequence[str] = ("graders", "policy", "request", "components")
    before: Mapping[str, Any] = {name: getattr(version_a, name) for name in fields}
    return tuple(name for name in fields if before[name] != getattr(version_b, name))
