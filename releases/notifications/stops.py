"""What was stopped, led back or held, by people and by Slipway itself."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from django.urls import reverse

from infra.actors import ActorKind
from infra.models import AuditEntry
from infra.notifications.kinds import Fact, Kind
from infra.notifications.outbox import persons_with
from infra.roles import Role
from releases.models import Deployment, Guardrail, Hold, Rejection, Release
from releases.notifications.facts import actor_of, fact_of
from releases.states import Identity
from releases.wording import quoted

LEFT = {
    "release.halted": "was halted",
    "release.demoted": "was demoted",
    "release.rolled_back": "was rolled back",
}
"""What a release's entry says, in words after its name."""
# What these did is told once: the halts and holds that follow are for programs alone.
_TELL_THEMSELVES = frozenset({"guardrails", "identity probe"})
Facts = Iterator[Fact]


def line_asked(entry: AuditEntry) -> Facts:
    """One of two persons wants the line to start again."""
    yield fact_of(
        entry,
        Kind.DECISION,
        title=f"{entry.actor_name} asks to start the line again",
        text=f"A second release manager confirms it: {quoted(entry.reason)}",
        link=reverse("console-line"),
        persons=persons_with(Role.RELEASE_MANAGER) - {actor_of(entry)},
    )


def line_moved(entry: AuditEntry) -> Facts:
    """The line was stopped, or started again."""
    is_stopped = entry.action == "line.stopped"
    said = "No promotion and no ramp step goes on." if is_stopped else "Everything moves again."
    yield fact_of(
        entry,
        Kind.HALT,
        title=f"{entry.actor_name} {'stopped' if is_stopped else 'started'} the line",
        text=f"{said} {quoted(entry.reason)}",
        link=reverse("console-line"),
        persons=persons_with(Role.RELEASE_MANAGER, Role.BEHAVIOUR_REVIEWER, Role.ENGINEER),
    )


def rejected(entry: AuditEntry) -> Facts:
    """A checkpoint was taken out everywhere."""
    row = _rejection(entry)
    if row is not None:
        persons = persons_with(Role.RELEASE_MANAGER) | {row.checkpoint.owner_id}
        title = f"{entry.actor_name} rejected {row.checkpoint.name}"
        yield _of_rejection(entry, row, Kind.HALT, title, persons)


def unreject_asked(entry: AuditEntry) -> Facts:
    """One of two persons wants a rejection taken back."""
    row = _rejection(entry)
    if row is not None:
        barred = {actor_of(entry), row.checkpoint.owner_id}
        title = f"{entry.actor_name} asks to take the rejection of {row.checkpoint.name} back"
        persons = persons_with(Role.RELEASE_MANAGER) - barred
        yield _of_rejection(entry, row, Kind.DECISION, title, persons)


def release_left(entry: AuditEntry) -> Facts:
    """A release was halted, demoted or rolled back."""
    rows = Release.objects.select_related("checkpoint", "stage__pipeline")
    row = rows.filter(pk=entry.object_id).first()
    if row is None:
        return
    persons = frozenset() if _tells_itself(entry) else _keepers(row) - {actor_of(entry)}
    yield fact_of(
        entry,
        Kind.HALT,
        title=f"{row.checkpoint} {LEFT[entry.action]} in {row.stage} by {entry.actor_name}",
        text=quoted(entry.reason) if entry.reason else "",
        link=reverse("console-stage", args=[row.stage_id]),
        ordered_by=row.checkpoint_id,
        persons=persons,
        data={"size": row.size, "arm": row.arm, **_place(row)},
    )


def guardrail_fired(entry: AuditEntry) -> Facts:
    """Harm was found in live traffic, and the candidate stopped."""
    rows = Guardrail.objects.select_related("release__checkpoint", "release__stage__pipeline")
    row = rows.filter(pk=entry.object_id).first()
    if row is None:
        return
    release = row.release
    did = "rolled back" if row.action == "rollback" else "halted"
    yield fact_of(
        entry,
        Kind.INCIDENT,
        title=f"{row.guardrail_id} stopped {release.checkpoint} in {release.stage}",
        text=f"{row.sentence} It was {did}, and its checkpoint is held.",
        link=reverse("console-stage", args=[release.stage_id]),
        ordered_by=release.checkpoint_id,
        persons=_keepers(release),
        data={"guardrail": row.guardrail_id, "worse_since": row.worse_since, **_place(release)},
    )


def identity_asked(entry: AuditEntry) -> Facts:
    """An upstream answers otherwise than its deployment; its webhook was sent where it was seen."""
    if (entry.after or {}).get("identity") != Identity.CHANGED:
        return
    row = Deployment.objects.select_related("checkpoint").filter(pk=entry.object_id).first()
    if row is not None:
        persons = persons_with(Role.RELEASE_MANAGER, Role.ENGINEER)
        yield fact_of(
            entry,
            Kind.INCIDENT,
            event="",
            title=f"{row.checkpoint} no longer answers as itself",
            text=f"{row.base_url}: {entry.reason} Its live releases are halted and it is held.",
            link=reverse("console-checkpoint", args=[row.checkpoint_id]),
            persons=persons | {row.checkpoint.owner_id},
        )


def hold_placed(entry: AuditEntry) -> Facts:
    """A hold; people are told of Slipway's own, where nothing else tells them of it."""
    rows = Hold.objects.select_related("checkpoint", "stage__pipeline")
    row = rows.filter(pk=entry.object_id).first()
    if row is None:
        return
    by = entry.actor_name if row.owner_id else "Slipway"
    is_news = entry.actor_kind == ActorKind.SYSTEM and not _tells_itself(entry)
    yield fact_of(
        entry,
        Kind.HALT if row.owner_id else Kind.INCIDENT,
        title=f"{row.checkpoint or row.stage} is held by {by}",
        text=quoted(row.reason),
        link=_page_of(row),
        ordered_by=row.checkpoint_id or "",
        persons=_told_of(row) if is_news else frozenset(),
        data={"on": str(row.checkpoint or row.stage)},
    )


def _page_of(row: Hold) -> str:
    if row.checkpoint_id is not None:
        return reverse("console-checkpoint", args=[row.checkpoint_id])
    return reverse("console-stage", args=[row.stage_id])


def _told_of(row: Hold) -> frozenset[UUID]:
    owners = {row.checkpoint.owner_id} if row.checkpoint else set()
    return persons_with(Role.RELEASE_MANAGER) | owners


def _rejection(entry: AuditEntry) -> Rejection | None:
    return Rejection.objects.select_related("checkpoint").filter(pk=entry.object_id).first()


def _of_rejection(
    entry: AuditEntry, row: Rejection, kind: Kind, title: str, persons: frozenset[UUID]
) -> Fact:
    return fact_of(
        entry,
        kind,
        title=title,
        text=quoted(entry.reason),
        link=reverse("console-checkpoint", args=[row.checkpoint_id]),
        ordered_by=row.checkpoint_id,
        persons=persons,
        data={"checkpoint": row.checkpoint.name},
    )


def _place(row: Release) -> dict[str, str]:
    return {"checkpoint": row.checkpoint.name, "stage": str(row.stage)}


def _keepers(release: Release) -> frozenset[UUID]:
    owner = {release.checkpoint.owner_id}
    return persons_with(Role.RELEASE_MANAGER, Role.BEHAVIOUR_REVIEWER) | owner


def _tells_itself(entry: AuditEntry) -> bool:
    return entry.actor_kind == ActorKind.SYSTEM and entry.actor_name in _TELL_THEMSELVES
