"""What `releases` has to tell: who is asked, what was stopped, what ends soon."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from infra.models import AuditEntry
from infra.notifications.kinds import Fact
from releases.notifications import promotions, stops
from releases.notifications.ending import ahead as ahead

_BY_ACTION: dict[str, Callable[[AuditEntry], Iterable[Fact]]] = {
    "promotion.waiver_asked": promotions.waiver_asked,
    "line.start_asked": stops.line_asked,
    "line.stopped": stops.line_moved,
    "line.started": stops.line_moved,
    "checkpoint.unreject_asked": stops.unreject_asked,
    "checkpoint.rejected": stops.rejected,
    **dict.fromkeys(stops.LEFT, stops.release_left),
    "guardrail.fired": stops.guardrail_fired,
    "deployment.identity_asked": stops.identity_asked,
    "hold.placed": stops.hold_placed,
}


def told_by(entry: AuditEntry) -> Iterator[Fact]:
    """What an audit entry has to tell; mostly nothing."""
    if entry.object_type == "promotion":
        yield from promotions.promotion_moved(entry)
    make = _BY_ACTION.get(entry.action)
    if make is not None:
        yield from make(entry)
