"""Spans of constant shares in one stage, for one size: what may be compared with what. Pure.

Units are assigned to an arm at random within a span, so traffic of both arms is compared inside
one span alone: a change of shares, a halt and a new release each begin another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from releases.occupation import Stay, continuous_stays
from releases.states import Arm

# A gateway worker learns of a change within a second; until then it serves by the old shares.
SETTLING = timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A release's arm and percent from a moment on."""

    at: datetime
    arm: Arm
    share: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """One release while it served; `until` None: it serves now. Settings in order of time."""

    release_id: UUID
    checkpoint_id: UUID
    since: datetime
    until: datetime | None
    settings: tuple[Setting, ...]

    def setting_at(self, moment: datetime) -> Setting | None:
        """What held then; None while it did not serve."""
        if moment < self.since or (self.until is not None and moment >= self.until):
            return None
        return next((s for s in reversed(self.settings) if s.at <= moment), self.settings[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One or two releases with constant shares; `until` None: it goes on.

    The subject is the candidate where there is one, else the incumbent. `share` is the subject's
    percent, and `stay_since` the start of its checkpoint's continuous stay in the stage.
    """

    since: datetime
    until: datetime | None
    candidate_id: UUID | None
    incumbent_id: UUID | None
    share: int
    checkpoint_id: UUID
    stay_since: datetime

    @property
    def compares(self) -> bool:
        return self.candidate_id is not None and self.incumbent_id is not None

    @property
    def counts_from(self) -> datetime:
        """Calls from then on were assigned by this span's shares."""
        return self.since + SETTLING if self.compares else self.since


def spans(servings: Sequence[Serving], since: datetime | None = None) -> list[Span]:
    """The stage's history, cut wherever an arm, a share or a release changed; gaps left out.

    `since`: only spans that begin then or later.
    """
    cuts = {s.since for s in servings} | {s.until for s in servings if s.until is not None}
    cuts |= {setting.at for serving in servings for setting in serving.settings}
    ordered = sorted(cut for cut in cuts if since is None or cut >= since)
    ends: list[datetime | None] = [*ordered[1:], None]
    found = (_span(servings, start, end) for start, end in zip(ordered, ends, strict=True))
    return [span for span in found if span is not None]


def _span(servings: Sequence[Serving], since: datetime, until: datetime | None) -> Span | None:
    by_arm: dict[Arm, tuple[Serving, int]] = {}
    for serving in servings:
        setting = serving.setting_at(since)
        if setting is not None:
            by_arm[setting.arm] = (serving, setting.share)
    subject = by_arm.get(Arm.CANDIDATE) or by_arm.get(Arm.INCUMBENT)
    if subject is None:
        return None
    candidate, incumbent = by_arm.get(Arm.CANDIDATE), by_arm.get(Arm.INCUMBENT)
    return Span(
        since=since,
        until=until,
        candidate_id=candidate[0].release_id if candidate else None,
        incumbent_id=incumbent[0].release_id if incumbent else None,
        share=subject[1],
        checkpoint_id=subject[0].checkpoint_id,
        stay_since=_stay_since(servings, subject[0]),
    )


def _stay_since(servings: Iterable[Serving], subject: Serving) -> datetime:
    same = (s for s in servings if s.checkpoint_id == subject.checkpoint_id)
    found = continuous_stays(Stay(since=s.since, until=s.until) for s in same)
    return max(stay.since for stay in found if stay.since <= subject.since)
