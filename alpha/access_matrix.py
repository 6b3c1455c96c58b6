"""Who may call which stage until when: partners by stages, and what a partner would lose."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from alpha.models import Cohort, CohortMember, Grant, Key, Partner, TermsAcceptance, UsageEvent
from infra import clock
from releases.models import Codename, Stage

LATELY = timedelta(days=7)
# Shorter ahead than this, an end is something to look at.
SOON = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One partner's access to one stage.

    `state`: open, terms (nobody accepted them), ahead, ended or none. `until` None: no end.
    """

    partner: Partner
    stage: Stage
    state: str
    until: datetime | None = None
    opens_at: datetime | None = None
    via: Cohort | None = None
    is_limited: bool = False
    is_soon: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Partners by stages; each stage with the codenames that are called there."""

    stages: Sequence[tuple[Stage, tuple[str, ...]]]
    rows: Sequence[tuple[Partner, Sequence[Cell]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What a partner loses with one grant; `keeps_by` is another that still serves it."""

    names: tuple[str, ...]
    n_people: int
    n_keys: int
    n_calls: int
    n_users: int
    keeps_by: Grant | None

    def sentence(self, partner: Partner) -> str:
        """The effect in words, with its numbers."""
        named = ", ".join(self.names) or "what the stage will serve"
        if self.keeps_by is not None:
            by = f"cohort {self.keeps_by.cohort}" if self.keeps_by.cohort else "its own grant"
            return f"{partner} keeps {named} through {by}: nobody loses anything now."
        people = f"{self.n_people} {'person' if self.n_people == 1 else 'people'}"
        keys = f"{self.n_keys} key{'s' * (self.n_keys != 1)}"
        lost = f"{people} and {keys} of {partner} lose {named} now."
        if not self.n_calls:
            return f"{lost} Nobody called it in the last {LATELY.days} days."
        calls = f"{self.n_calls} call{'s' * (self.n_calls != 1)}"
        users = f"{self.n_users} user{'s' * (self.n_users != 1)}"
        return f"{lost} {calls} by {users} in the last {LATELY.days} days."


def matrix(partners: Iterable[Partner]) -> Matrix:
    """Every stage that has codenames or grants, for these partners; five queries for any number."""
    now, shown = clock.now(), list(partners)
    stages = _stages()
    held, accepted = _held(shown), _accepted(shown)
    rows = []
    for partner in shown:
        cells = [
            _cell(partner, stage, held.get((partner.pk, stage.pk), ()), accepted, now)
            for stage, _ in stages
        ]
        rows.append((partner, cells))
    return Matrix(stages=stages, rows=rows)


def cell_of(partner: Partner, stage: Stage) -> Cell:
    """One cell alone."""
    grants = _held([partner]).get((partner.pk, stage.pk), ())
    return _cell(partner, stage, grants, _accepted([partner]), clock.now())


def grants_to(partner: Partner, stage: Stage) -> QuerySet[Grant]:
    """Every grant that serves the partner there and is not revoked: its own first."""
    mine = Q(partner=partner) | Q(cohort__members__partner=partner)
    found = Grant.objects.filter(mine, stage=stage, revoked_at=None)
    return found.select_related("stage__pipeline", "partner", "cohort").order_by(
        "cohort", "-created_at"
    )


def loss_of(grant: Grant, partner: Partner) -> Loss:
    """What revoking the grant takes from the partner, as of now."""
    now = clock.now()
    others = [
        other
        for other in grants_to(partner, grant.stage).exclude(pk=grant.pk)
        if other.opens_at <= now and (other.ends_at is None or other.ends_at > now)
    ]
    since = now - LATELY
    calls = UsageEvent.objects.filter(
        partner=partner,
        stage=grant.stage,
        month__gte=since.date().replace(day=1),
        started_at__gte=since,
    ).aggregate(n=Count("request_id"), users=Count("unit", distinct=True))
    keys = Key.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)
    return Loss(
        names=names_of(grant.stage),
        n_people=partner.people.filter(ended_at=None).count(),
        n_keys=keys.filter(partner=partner).count(),
        n_calls=calls["n"],
        n_users=calls["users"],
        keeps_by=others[0] if others else None,
    )


def cohort_losses(cohorts: Iterable[Cohort]) -> dict[UUID, str]:
    """What revoking each grant of these cohorts takes, in a sentence, by the grant's id.

    Two queries for cohorts whose partners and grants were read with them.
    """
    own = Grant.objects.filter(revoked_at=None, partner__isnull=False)
    keeping = set(own.values_list("stage_id", "partner_id"))
    named = {stage.pk: names for stage, names in _stages()}
    found = {}
    for cohort in cohorts:
        members = [one for one in cohort.partners.all() if one.ended_at is None]
        for grant in cohort.grants.all():
            losing = [str(one) for one in members if (grant.stage_id, one.pk) not in keeping]
            names = ", ".join(named.get(grant.stage_id, ())) or "what the stage will serve"
            found[grant.pk] = _cohort_sentence(losing, names)
    return found


def _cohort_sentence(losing: Sequence[str], names: str) -> str:
    if not losing:
        return "Nobody loses anything now: each of its partners has a grant of its own."
    verb = "partner loses" if len(losing) == 1 else "partners lose"
    return f"{len(losing)} {verb} {names} now: {', '.join(losing)}."


def names_of(stage: Stage) -> tuple[str, ...]:
    """What partners call there now."""
    now = clock.now()
    found = Codename.objects.filter(Q(ends_at=None) | Q(ends_at__gt=now), stage=stage)
    return tuple(found.order_by("name").values_list("name", flat=True))


def _stages() -> list[tuple[Stage, tuple[str, ...]]]:
    now, named = clock.now(), defaultdict(list)
    for codename in Codename.objects.filter(Q(ends_at=None) | Q(ends_at__gt=now)).order_by("name"):
        named[codename.stage_id].append(codename.name)
    granted = Grant.objects.filter(revoked_at=None).values("stage")
    wanted = Q(pk__in=list(named)) | Q(pk__in=granted)
    found = Stage.objects.filter(wanted, retired_at=None).select_related("pipeline")
    return [
        (stage, tuple(named[stage.pk])) for stage in found.order_by("pipeline__name", "position")
    ]


def _held(partners: Sequence[Partner]) -> Mapping[tuple[UUID, UUID], Sequence[Grant]]:
    """Grants by partner and stage, a partner's own first; revoked ones are left out."""
    cohorts = defaultdict(list)
    for member in CohortMember.objects.filter(partner__in=partners):
        cohorts[member.cohort_id].append(member.partner_id)
    wanted = Q(partner__in=partners) | Q(cohort__in=list(cohorts))
    rows = Grant.objects.filter(wanted, revoked_at=None).select_related("cohort")
    found = defaultdict(list)
    for grant in rows.order_by("-created_at"):
        for holder in [grant.partner_id] if grant.partner_id else cohorts[grant.cohort_id]:
            found[holder, grant.stage_id].append(grant)
    return {key: sorted(held, key=lambda g: g.partner_id is None) for key, held in found.items()}


def _accepted(partners: Sequence[Partner]) -> set[tuple[UUID, UUID, str]]:
    rows = TermsAcceptance.objects.filter(partner__in=partners)
    return set(rows.values_list("grant_id", "partner_id", "terms__version"))


def is_accepted(grant: Grant, partner_id: UUID, accepted: Iterable[tuple[UUID, UUID, str]]) -> bool:
    """Whether the terms of the grant are accepted for that partner, as the gateway reads it."""
    if grant.terms_accepted_at is not None:
        return True
    versions = {version for of, by, version in accepted if (of, by) == (grant.pk, partner_id)}
    return bool(versions) if not grant.terms_version else grant.terms_version in versions


def _cell(
    partner: Partner,
    stage: Stage,
    held: Sequence[Grant],
    accepted: set[tuple[UUID, UUID, str]],
    now: datetime,
) -> Cell:
    """What the gateway would find: an accepted grant in force before one that waits."""
    in_force = [g for g in held if g.opens_at <= now and (g.ends_at is None or g.ends_at > now)]
    good = [g for g in in_force if is_accepted(g, partner.pk, accepted)]
    ahead = [g for g in held if g.opens_at > now]
    for state, found in (("open", good), ("terms", in_force), ("ahead", ahead), ("ended", held)):
        if found:
            grant = found[0]
            return Cell(
                partner=partner,
                stage=stage,
                state=state,
                until=grant.ends_at,
                opens_at=grant.opens_at,
                via=grant.cohort,
                is_limited=grant.quotas.is_limited,
                is_soon=state == "open" and bool(grant.ends_at) and grant.ends_at - now < SOON,
            )
    return Cell(partner=partner, stage=stage, state="none")
