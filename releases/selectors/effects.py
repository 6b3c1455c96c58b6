"""What an approval would do to partners, in one sentence: who moves from what to what, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from releases.models import Codename, Promotion, Release
from releases.ramps import WHOLE, first_share
from releases.selectors.changes import incumbent_at
from releases.selectors.history import exposure_source


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What follows once the promotion goes through."""

    partners: Sequence[str]
    """Who has access to the stage."""
    codenames: Sequence[str]
    """What they call it; empty: nobody reaches the stage through `/v1`."""
    share: int
    """Percent that it begins with."""
    incumbent: Release | None
    sentence: str


def effect_of(promotion: Promotion, now: datetime) -> Effect:
    """As of now: grants and codenames in force, and what is live in its size."""
    incumbent = incumbent_at(promotion, now)
    share = first_share(promotion.policy) if incumbent else WHOLE
    partners = exposure_source().granted(promotion.stage_id, now)
    names = _codenames(promotion, now)
    return Effect(
        partners=partners,
        codenames=names,
        share=share,
        incumbent=incumbent,
        sentence=_sentence(promotion, incumbent, share, partners if names else ()),
    )


def _codenames(promotion: Promotion, now: datetime) -> list[str]:
    there = Codename.objects.filter(
        Q(ends_at=None) | Q(ends_at__gt=now),
        stage=promotion.stage_id,
        size=promotion.checkpoint.size,
        opens_at__lte=now,
    )
    return list(there.order_by("name").values_list("name", flat=True))


def _sentence(
    promotion: Promotion, incumbent: Release | None, share: int, partners: Sequence[str]
) -> str:
    name, stage = promotion.checkpoint.name, promotion.stage.name
    who = _count(len(partners))
    if incumbent is None:
        calls = f"{who} can call it from then on" if partners else "no partner can call it there"
        return f"{name} goes live in {stage}, the first of its size; {calls}."
    old = incumbent.checkpoint.name
    if not partners:
        beside = f"beside {old} with {share} %" if share < WHOLE else f"in place of {old}"
        return f"{name} goes live in {stage} {beside}; no partner has access there."
    if share < WHOLE:
        verb = "begins" if len(partners) == 1 else "begin"
        return f"{who} {verb} to move from {old} to {name}: {share} % of their users first."
    return f"{who} move{'s' if len(partners) == 1 else ''} from {old} to {name}, all at once."


def _count(number: int) -> str:
    return f"{number} partner{'' if number == 1 else 's'}"
