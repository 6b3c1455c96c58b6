"""Moves promotions: request, evaluate, answer, vote, waive, execute."""

from releases.services.promotions.advance import advance_promotions
from releases.services.promotions.answers import answer_gate
from releases.services.promotions.comments import comment_on_promotion
from releases.services.promotions.evaluate import evaluate_promotion
from releases.services.promotions.execute import execute_promotion
from releases.services.promotions.request import (
    request_promotion,
    request_set,
    withdraw_promotion,
)
from releases.services.promotions.staleness import inputs_changed, policy_changed
from releases.services.promotions.votes import vote
from releases.services.promotions.waivers import confirm_waiver, waive_gate

__all__ = [
    "advance_promotions",
    "answer_gate",
    "comment_on_promotion",
    "confirm_waiver",
    "evaluate_promotion",
    "execute_promotion",
    "inputs_changed",
    "policy_changed",
    "request_promotion",
    "request_set",
    "vote",
    "waive_gate",
    "withdraw_promotion",
]
