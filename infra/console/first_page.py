"""The first page: the brief of whoever is signed in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest

from infra import clock
from infra.brief.compose import brief_for
from infra.brief.looks import remember_look
from infra.people import actor_of_login

SPANS = {"1d": ("day", timedelta(days=1)), "7d": ("week", timedelta(days=7))}


def with_brief(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The index page's context with the brief; `?since=1d` or `7d` instead of the last look.

    A page that the browser fetches ahead is not looked at.
    """
    actor = actor_of_login(request.user)  # type: ignore[arg-type]
    chosen = request.GET.get("since", "")
    span = SPANS.get(chosen)
    brief = brief_for(actor, clock.now() - span[1] if span else None)
    if request.method == "GET" and "prefetch" not in request.headers.get("Sec-Purpose", ""):
        remember_look(actor, brief.made_at)
    return {
        **context,
        "title": "Brief",
        "crumbs": [("Brief", "")],
        "actor": actor,
        "brief": brief,
        "chosen": chosen if span else "",
        "spans": [(key, name) for key, (name, _) in SPANS.items()],
    }
