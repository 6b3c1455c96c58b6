"""Persons who are too near to a promotion to decide it, superusers included."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from infra.actors import ActorKind
from infra.models import AuditEntry
from releases.models import Deployment, Promotion

POLICY_TAKEN = "promotion.policy_taken"
"""What the audit says when an open promotion takes a policy that was applied after its request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearness:
    """One way in which a person is near to a promotion."""

    code: str
    why: str
    """After the person's name: `owns the checkpoint`."""


OWNS = Nearness(code="own_checkpoint", why="owns the checkpoint")
REQUESTED = Nearness(code="own_request", why="requested this promotion")
_EDITS = {
    "checkpoint": Nearness(code="own_edit", why="registered the checkpoint"),
    "deployment": Nearness(code="own_edit", why="changed the checkpoint's deployments"),
    "promotion": Nearness(code="own_edit", why="applied a policy that this promotion took"),
}
Near = dict[str, tuple[Nearness, ...]]
"""By person's id, as the audit log writes it."""
_Subject = tuple[str, str]
_Edits = Mapping[_Subject, Sequence[tuple[str, datetime]]]


def near_to(promotion: Promotion) -> Near:
    """As `near_to_all`, of one promotion."""
    return near_to_all([promotion])[promotion.pk]


def near_to_all(promotions: Sequence[Promotion]) -> dict[UUID, Near]:
    """Requester, checkpoint's owner, and who edited what is judged, until it was decided.

    Editors are told by the audit log, whose person is the same whatever the login. The promotions
    come with their checkpoints loaded; two queries, however many they are.
    """
    subjects = _subjects(promotions)
    edits = _edits({subject for found in subjects.values() for subject in found})
    return {row.pk: _near(row, subjects[row.pk], edits) for row in promotions}


def excluded_of_all(promotions: Sequence[Promotion]) -> dict[UUID, dict[str, str]]:
    """Person's id -> why their vote never counts, by promotion; what a decision keeps of it."""
    return {
        promotion_id: {
            person_id: " and ".join(found.why for found in ways) for person_id, ways in near.items()
        }
        for promotion_id, near in near_to_all(promotions).items()
    }


def _subjects(promotions: Sequence[Promotion]) -> dict[UUID, list[_Subject]]:
    """What an edit of each promotion would be an edit of."""
    places: dict[UUID, list[_Subject]] = defaultdict(list)
    rows = Deployment.objects.filter(checkpoint__in={row.checkpoint_id for row in promotions})
    for place_id, checkpoint_id in rows.order_by("pk").values_list("pk", "checkpoint_id"):
        places[checkpoint_id].append(("deployment", str(place_id)))
    return {
        row.pk: [
            ("checkpoint", str(row.checkpoint_id)),
            *places[row.checkpoint_id],
            ("promotion", str(row.pk)),
        ]
        for row in promotions
    }


def _edits(subjects: set[_Subject]) -> _Edits:
    """The persons who edited each subject and when, the first one first."""
    of = {kind: [pk for known, pk in subjects if known == kind] for kind in _EDITS}
    wanted = (
        Q(object_type="checkpoint", object_id__in=of["checkpoint"], action="checkpoint.registered")
        | Q(object_type="deployment", object_id__in=of["deployment"])
        | Q(object_type="promotion", object_id__in=of["promotion"], action=POLICY_TAKEN)
    )
    entries = AuditEntry.objects.filter(wanted, actor_kind=ActorKind.PERSON.value)
    found: dict[_Subject, list[tuple[str, datetime]]] = defaultdict(list)
    names = ("object_type", "object_id", "actor_id", "at")
    for kind, pk, person_id, at in entries.exclude(actor_id="").order_by("seq").values_list(*names):
        found[kind, pk].append((person_id, at))
    return found


def _near(row: Promotion, subjects: Sequence[_Subject], edits: _Edits) -> Near:
    found: dict[str, dict[Nearness, None]] = defaultdict(dict)
    found[str(row.checkpoint.owner_id)][OWNS] = None
    if row.requested_by_id is not None:
        found[str(row.requested_by_id)][REQUESTED] = None
    for subject in subjects:
        for person_id, at in edits.get(subject, ()):
            if row.decided_at is None or at <= row.decided_at:
                found[person_id][_EDITS[subject[0]]] = None
    return {person_id: tuple(ways) for person_id, ways in found.items()}
