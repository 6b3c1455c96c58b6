"""How a promotion's timeline tells what was done."""

from __future__ import annotations

from django import template

register = template.Library()

_TOLD = {
    "answer_carried": "carried an earlier answer over",
    "ended_with_its_set": "ended it with its set",
    "follow_up_opened": "opened a follow-up",
    "followed_up": "did the follow-up",
    "freeze_waived": "let it through a freeze",
    "policy_taken": "gave it the stage's new policy",
    "stale": "made outcomes stale",
    "waiver_asked": "asked for a waiver",
}


@register.filter
def told(action: str) -> str:
    """An audited action as the predicate of whoever did it."""
    verb = action.removeprefix("promotion.")
    return _TOLD.get(verb, verb.replace("_", " ").replace(".", " "))
