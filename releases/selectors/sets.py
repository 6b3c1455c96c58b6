"""Sizes that go into a stage together: which ones, and which of them the others wait for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from releases.gates.facts import BlockFact
from releases.models import Promotion
from releases.promotions import Decision
from releases.states import OPEN_PROMOTIONS, Block, PromotionState

Members = dict[UUID, list[Promotion]]


def members_of(promotions: Sequence[Promotion]) -> Members:
    """Every member of the sets that these promotions belong to, by set; no query without a set."""
    sets = {promotion.together_id for promotion in promotions if promotion.together_id}
    found: Members = defaultdict(list)
    if sets:
        rows = Promotion.objects.filter(together__in=sets).select_related(
            "checkpoint__family", "checkpoint__owner", "stage__pipeline", "requested_by"
        )
        for row in rows.order_by("checkpoint__size", "pk"):
            found[row.together_id].append(row)
    return found


def waits_for(
    promotion: Promotion, members: Members, alone: Mapping[UUID, Decision]
) -> Iterator[BlockFact]:
    """What keeps the other members back; `alone`: what is decided on each without its set."""
    if promotion.together_id is None:
        return
    for member in members[promotion.together_id]:
        if member.pk == promotion.pk or member.state == PromotionState.PROMOTED:
            continue
        name = member.checkpoint.name
        if member.state not in OPEN_PROMOTIONS:
            sentence = f"{name} of the same set has ended ({member.state}): request the set anew."
            yield BlockFact(block=Block.SET, sentence=sentence)
        elif alone[member.pk].unmet:
            first = alone[member.pk].unmet[0]
            yield BlockFact(
                block=Block.SET,
                sentence=f"{name} of the same set is not ready: {first.sentence}",
                owner=first.owner,
                clears_at=first.clears_at,
            )
