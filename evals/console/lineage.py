"""The whole road on one page: from a remark to the checkpoint that no longer has its weakness."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.urls import NoReverseMatch, reverse

from evals.selectors import lineage
from evals.selectors.lineage import Road, Stop
from infra.console.pages import Crumbs, Page
from infra.errors import InvalidInput


class LineagePage(Page):
    """`?id=` of anything on a road; without it, the place to write one."""

    template_name = "evals/lineage.html"
    title = "Lineage"
    road: Road | None

    def load(self, **kwargs: Any) -> None:
        asked = self.request.GET.get("id", "").strip()
        self.road = lineage.road(_uuid(asked)) if asked else None

    def crumbs(self) -> Crumbs:
        return [("Findings", reverse("console-findings")), (self.title, "")]

    def context(self) -> dict[str, Any]:
        if self.road is None:
            return {"road": None}
        steps = [
            {
                "name": step.name,
                "n_more": step.n_more,
                "stops": [(s, _address(s)) for s in step.stops],
            }
            for step in self.road.steps
        ]
        fixed = self.road.fixed_by
        return {
            "road": self.road,
            "steps": steps,
            "fixed": fixed,
            "fixed_address": _address(fixed) if fixed else "",
        }


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        message = f"{text[:60]!r} is no id: paste one as any page or file shows it."
        raise InvalidInput("bad_id", message) from error


def _case(stop: Stop) -> str:
    suite, version, case_id = stop.place
    query = urlencode({"version": version, "case": case_id})
    return f"{reverse('console-suite', args=[suite])}?{query}"


def _version(stop: Stop) -> str:
    suite, version = stop.place
    return f"{reverse('console-suite', args=[suite])}?version={version}"


def _gate(stop: Stop) -> str:
    promotion, gate = stop.place
    return f"{reverse('console-promotion', args=[promotion])}#gate-{gate}"


_ADDRESSES: Mapping[str, Callable[[Stop], str]] = {
    "feedback": lambda stop: reverse("console-feedback-item", args=[stop.id]),
    "call": lambda stop: reverse("console-feedback-item", args=stop.place),
    "finding": lambda stop: reverse("console-finding", args=[stop.id]),
    "probe": lambda stop: reverse("console-probe", args=[stop.id]),
    "case": _case,
    "suite version": _version,
    "run": lambda stop: reverse("console-run", args=[stop.id]),
    "gate outcome": _gate,
    "promotion": lambda stop: reverse("console-promotion", args=[stop.id]),
    "training row": lambda stop: reverse("console-training-export", args=stop.place),
    "side by side": lambda stop: reverse("console-preference", args=[stop.id]),
    "checkpoint": lambda stop: reverse("console-checkpoint", args=[stop.id]),
}


def _address(stop: Stop) -> str:
    """The page of that thing; empty where it has none."""
    try:
        return _ADDRESSES[stop.kind](stop)
    except NoReverseMatch:
        return ""
