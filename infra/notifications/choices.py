"""How each person wants to hear of each kind of notification."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from django.db import transaction

from infra import audit
from infra.actors import Actor
from infra.errors import InvalidInput
from infra.models import Hearing, Person
from infra.notifications.kinds import DEFAULT_WAYS, WAYS, Kind, Way

Ways = dict[Kind, Way]


def ways_of(person_id: UUID) -> Ways:
    """How one person hears of each kind."""
    return ways_of_all([person_id])[person_id]


def ways_of_all(person_ids: Collection[UUID]) -> dict[UUID, Ways]:
    """As `ways_of`, of many persons in one query."""
    found = {person_id: dict(DEFAULT_WAYS) for person_id in person_ids}
    for row in Hearing.objects.filter(person__in=found):
        found[row.person_id][Kind(row.kind)] = Way(row.way)
    return found


def choose_ways(*, actor: Actor, ways: Mapping[Kind, Way]) -> Ways:
    """Hear of these kinds in these ways from now on; what was written already stays as it is."""
    person_id = actor.must_be_person("choose how to be told")
    for kind, way in ways.items():
        if way not in WAYS[kind]:
            possible = " or ".join(WAYS[kind])
            message = f"A {kind} can't be told {way.replace('_', ' ')}: choose {possible}."
            raise InvalidInput("bad_way", message)
    with transaction.atomic():
        person = Person.objects.select_for_update(no_key=True).get(pk=person_id)
        before = ways_of(person_id)
        changed = {kind: way for kind, way in ways.items() if before[kind] is not way}
        for kind, way in changed.items():
            Hearing.objects.update_or_create(
                person=person, kind=kind.value, defaults={"way": way.value}
            )
        if changed:
            audit.record(
                actor=actor,
                action="notifications.chosen",
                subject=person,
                before={kind.value: before[kind].value for kind in changed},
                after={kind.value: way.value for kind, way in changed.items()},
            )
    return {**before, **changed}
