"""What the management API tells of blind side by sides."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from alpha.models import PreferenceSession
from alpha.states import Choice, PreferenceState

STATES = [state.value for state in PreferenceState]
CHOICES = [choice.value for choice in Choice]


class CalledOut(serializers.Serializer):
    """A call of a tool that an answer makes."""

    name = serializers.CharField()
    arguments = serializers.CharField()


class AnswerShownOut(serializers.Serializer):
    """An answer as it is shown: names masked, nothing of its server."""

    content = serializers.CharField()
    tool_calls = CalledOut(many=True)


class AnswersShownOut(serializers.Serializer):
    a = AnswerShownOut()
    b = AnswerShownOut()


class RevealedOut(serializers.Serializer):
    """Which checkpoint stood where."""

    a = serializers.CharField()
    b = serializers.CharField()


class PreferenceOut(serializers.Serializer):
    """One side by side. `revealed` is null until a person reveals it; `checkpoints` are by name."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=STATES)
    partner = serializers.CharField(allow_null=True)
    person = serializers.CharField(allow_null=True)
    codename = serializers.CharField(allow_blank=True)
    checkpoints = serializers.ListField(child=serializers.CharField())
    choice = serializers.ChoiceField(choices=CHOICES, allow_null=True)
    comment = serializers.CharField(allow_blank=True)
    asked_at = serializers.DateTimeField()
    voted_at = serializers.DateTimeField(allow_null=True)
    revealed = RevealedOut(allow_null=True)
    revealed_by = serializers.CharField(allow_null=True)
    revealed_at = serializers.DateTimeField(allow_null=True)

    def to_representation(self, instance: Any) -> Any:
        is_row = isinstance(instance, PreferenceSession)
        return super().to_representation(shown(instance) if is_row else instance)


class PreferenceAnswersOut(PreferenceOut):
    """One of the caller's own, with both answers while their text is kept."""

    answers = AnswersShownOut(allow_null=True)


class EstimateOut(serializers.Serializer):
    """An estimate; the ends are null where there is too little for them."""

    estimate = serializers.FloatField()
    lo = serializers.FloatField(allow_null=True)
    hi = serializers.FloatField(allow_null=True)


class PositionOut(serializers.Serializer):
    """How often place A was chosen of the decided votes."""

    n_a = serializers.IntegerField()
    n_decided = serializers.IntegerField()
    share = EstimateOut(allow_null=True)
    p = serializers.FloatField(allow_null=True)
    is_flagged = serializers.BooleanField()


class RaterGroupOut(serializers.Serializer):
    name = serializers.CharField()
    n_votes = serializers.IntegerField()
    n_raters = serializers.IntegerField()
    score = EstimateOut()


class OneSidedOut(serializers.Serializer):
    """A rater who chose one place far too often."""

    rater = serializers.CharField()
    n_a = serializers.IntegerField()
    n_decided = serializers.IntegerField()
    p = serializers.FloatField()


class PreferenceResultsOut(serializers.Serializer):
    """Scores in 0..1, half a point a tie; differences in log odds, candidate against baseline."""

    candidate = serializers.CharField()
    baseline = serializers.CharField()
    sentence = serializers.CharField()
    n_votes = serializers.IntegerField()
    n_raters = serializers.IntegerField()
    n_ties = serializers.IntegerField()
    n_both_bad = serializers.IntegerField()
    n_repeats = serializers.IntegerField()
    score = EstimateOut()
    difference = EstimateOut(allow_null=True)
    controlled = EstimateOut(allow_null=True)
    controlled_score = EstimateOut(allow_null=True)
    length = EstimateOut(allow_null=True)
    position = PositionOut()
    groups = RaterGroupOut(many=True)
    one_sided = OneSidedOut(many=True)
    problem = serializers.CharField(allow_blank=True)


def shown(session: PreferenceSession) -> dict[str, Any]:
    """A session without anything that tells who stood where, unless it is revealed."""
    vote = getattr(session, "vote", None)
    names = [session.checkpoint_a.name, session.checkpoint_b.name]
    is_revealed = session.state == PreferenceState.REVEALED.value
    return {
        "id": session.pk,
        "state": session.state,
        "partner": session.partner.name if session.partner else None,
        "person": str(session.person) if session.person else None,
        "codename": session.codename,
        "checkpoints": sorted(names),
        "choice": vote.choice if vote else None,
        "comment": vote.comment if vote else "",
        "asked_at": session.asked_at,
        "voted_at": vote.voted_at if vote else None,
        "revealed": dict(zip("ab", names, strict=True)) if is_revealed else None,
        "revealed_by": str(session.revealed_by) if session.revealed_by else None,
        "revealed_at": session.revealed_at,
    }
