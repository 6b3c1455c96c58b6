"""Reads over blind side by sides: sessions, the votes on a pair, and what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Max, Q, QuerySet
from django.db.models.functions import Greatest, Least

from alpha.models import Partner, PreferenceSession, PreferenceVote
from alpha.preference_results import Ballot, style_differences
from alpha.states import Choice, PreferenceState
from infra.errors import NotFound
from infra.models import Person
from releases.digests import sha256_of
from releases.models import Checkpoint

GROUPS = {True: "partners", False: "reviewers"}
MOST_VOTES = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two checkpoints that were compared, and how far that is."""

    checkpoints: tuple[Checkpoint, Checkpoint]
    """By name: nothing about who stood where."""
    n_sessions: int
    n_votes: int
    newest_at: datetime


def session_of(session_id: UUID) -> PreferenceSession:
    """The session of that id; NotFound."""
    found = sessions().select_related("revealed_by", "text", "vote").filter(pk=session_id).first()
    if found is None:
        raise NotFound("no_such_preference", f"No side by side {session_id}.")
    return found


def sessions(
    state: str = "", partner: str = "", person_id: UUID | None = None
) -> QuerySet[PreferenceSession]:
    """Newest first, narrowed by what is given."""
    found = PreferenceSession.objects.select_related(
        "partner", "person", "stage__pipeline", "vote", "checkpoint_a", "checkpoint_b"
    )
    if state:
        found = found.filter(state=state)
    if partner:
        found = found.filter(partner__name=partner)
    if person_id is not None:
        found = found.filter(person=person_id)
    return found.order_by("-asked_at", "-pk")


def pair_sessions(one: Checkpoint, other: Checkpoint) -> QuerySet[PreferenceSession]:
    """Every session of the two, whichever stood where."""
    return PreferenceSession.objects.filter(
        Q(checkpoint_a=one, checkpoint_b=other) | Q(checkpoint_a=other, checkpoint_b=one)
    )


def pairs() -> list[Pair]:
    """Every pair that was shown, the newest first."""
    rows = (
        PreferenceSession.objects.exclude(state=PreferenceState.VOID.value)
        .order_by()
        .annotate(
            low=Least("checkpoint_a", "checkpoint_b"), high=Greatest("checkpoint_a", "checkpoint_b")
        )
        .values("low", "high")
        .annotate(n=Count("pk"), n_votes=Count("vote"), newest=Max("asked_at"))
        .order_by("-newest")
    )
    found = list(rows)
    named = Checkpoint.objects.in_bulk({pk for row in found for pk in (row["low"], row["high"])})
    return [
        Pair(
            checkpoints=_by_name(named[row["low"]], named[row["high"]]),
            n_sessions=row["n"],
            n_votes=row["n_votes"],
            newest_at=row["newest"],
        )
        for row in found
    ]


def _by_name(one: Checkpoint, other: Checkpoint) -> tuple[Checkpoint, Checkpoint]:
    return (one, other) if one.name < other.name else (other, one)


@dataclass(frozen=True, slots=True, kw_only=True)
class Votes:
    """The votes on a candidate and a baseline up to a moment, in the order they were given."""

    ballots: Sequence[Ballot]
    until: datetime | None
    """When the last of them was given; None: there is none."""
    digest: str
    """Of every vote, its session and what was drawn: who counts the same votes has the same."""


def votes_on(
    candidate: Checkpoint,
    baseline: Checkpoint,
    then: datetime | None = None,
    *,
    since: datetime | None = None,
    stage_id: UUID | None = None,
) -> Votes:
    """The votes given by `then`, or all; only those asked from `since` on, in that stage."""
    shown = pair_sessions(candidate, baseline)
    if since is not None:
        shown = shown.filter(asked_at__gte=since)
    if stage_id is not None:
        shown = shown.filter(stage=stage_id)
    found = PreferenceVote.objects.filter(session__in=shown)
    if then is not None:
        found = found.filter(voted_at__lte=then)
    rows = list(
        found.order_by("voted_at", "pk").values(
            "pk",
            "choice",
            "voted_at",
            is_first=F("session__checkpoint_a"),
            style_a=F("session__style_a"),
            style_b=F("session__style_b"),
            partner=F("session__partner"),
            person=F("session__person"),
            prompt=F("session__prompt_digest"),
        )[:MOST_VOTES]
    )
    told = [[str(row["pk"]), row["choice"], row["is_first"] == candidate.pk] for row in rows]
    return Votes(
        ballots=[_ballot(row, row["is_first"] == candidate.pk) for row in rows],
        until=rows[-1]["voted_at"] if rows else None,
        digest=sha256_of(told),
    )


_Y = {Choice.A: 1.0, Choice.B: 0.0, Choice.TIE: 0.5, Choice.BOTH_BAD: 0.5}


def _ballot(row: dict[str, Any], candidate_is_a: bool) -> Ballot:
    choice = Choice(row["choice"])
    y = _Y[choice] if candidate_is_a else 1 - _Y[choice]
    styles = (row["style_a"], row["style_b"])
    mine, others = styles if candidate_is_a else (styles[1], styles[0])
    is_partner = row["partner"] is not None
    return Ballot(
        y=y,
        is_both_bad=choice is Choice.BOTH_BAD,
        rater=f"partner {row['partner']}" if is_partner else f"person {row['person']}",
        group=GROUPS[is_partner],
        prompt=row["prompt"],
        candidate_is_a=candidate_is_a,
        style=style_differences(mine, others),
    )


def rater_names(raters: Sequence[str]) -> dict[str, str]:
    """Names of raters as ballots hold them."""
    found: dict[str, str] = {}
    for kind, model in (("partner", Partner), ("person", Person)):
        wanted = [rater.split()[1] for rater in raters if rater.startswith(f"{kind} ")]
        named = model.objects.in_bulk([UUID(pk) for pk in wanted])
        found |= {f"{kind} {pk}": str(row) for pk, row in named.items()}
    return found
