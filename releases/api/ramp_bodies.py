"""Bodies of ramps and guardrails, as the release that they move carries them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from infra.api.fields import JSONValue
from releases.models import Guardrail
from releases.selectors.ramps import RampView
from releases.states import RampState, Watch

_OF_A_REASON = ("code", "sentence", "gate_id", "owner", "clears_at")


class ApproveStepIn(serializers.Serializer):
    """Why the step may go on; with `step` it counts for that one, or not at all."""

    comment = serializers.CharField(max_length=4000)
    step = serializers.IntegerField(
        min_value=1, max_value=1000, required=False, help_text="The step shown, from 1."
    )


class RampStepOut(serializers.Serializer):
    """A share, and what it takes to leave it."""

    percent = serializers.IntegerField()
    lasts_s = serializers.IntegerField(allow_null=True)
    approval = serializers.BooleanField()
    monitored = serializers.BooleanField()


class RampReasonOut(serializers.Serializer):
    """What stands in the way of a step."""

    code = serializers.CharField()
    sentence = serializers.CharField()
    gate_id = serializers.CharField(allow_null=True)
    owner = serializers.CharField(allow_null=True)
    clears_at = serializers.CharField(allow_null=True)


class RampOut(serializers.Serializer):
    """Where a candidate's ramp stands, and what it waits for."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField([state.value for state in RampState])
    step = serializers.IntegerField(help_text="The step it is at, from 1; 0 without steps.")
    n_steps = serializers.IntegerField()
    percent = serializers.IntegerField(help_text="The candidate's share now.")
    next_percent = serializers.IntegerField(help_text="Its share after the next step.")
    holdback = serializers.IntegerField()
    step_started_at = serializers.DateTimeField()
    step_ends_at = serializers.DateTimeField(allow_null=True)
    waits = serializers.ListField(
        child=serializers.CharField(), help_text="time, approval, guardrails, end, or a code."
    )
    reasons = RampReasonOut(many=True)
    sentence = serializers.CharField()
    held_up_since = serializers.DateTimeField(allow_null=True)
    steps = RampStepOut(many=True)


class GuardrailOut(serializers.ModelSerializer):
    """One live watch over a candidate, as its newest look left it."""

    id = serializers.CharField(source="guardrail_id")
    watch = serializers.ChoiceField([watch.value for watch in Watch])
    options = JSONValue()
    observed = JSONValue(allow_null=True)

    class Meta:
        model = Guardrail
        fields = (
            "id",
            "kind",
            "action",
            "options",
            "watch",
            "sentence",
            "observed",
            "n_looks",
            "looked_at",
            "worse_since",
            "fired_at",
            "n_exposed",
        )


def ramp_body(view: RampView, share: int) -> dict[str, Any]:
    """A ramp as `RampOut` describes it."""
    ramp = view.ramp
    reasons = [
        {
            name: getattr(reason, name)
            for name in ("code", "sentence", "gate_id", "owner", "clears_at")
        }
        for reason in view.obstacles
    ]
    steps = [
        {
            "percent": step.percent,
            "lasts_s": None if step.lasts is None else int(step.lasts.total_seconds()),
            "approval": step.approval,
            "monitored": step.monitored,
        }
        for step in view.steps
    ]
    body = {
        "id": ramp.pk,
        "state": ramp.state,
        "step": view.number,
        "n_steps": view.n_steps,
        "percent": share,
        "next_percent": view.next_percent,
        "holdback": ramp.holdback,
        "step_started_at": ramp.step_started_at,
        "step_ends_at": ramp.step_ends_at,
        "waits": view.waits,
        "reasons": reasons,
        "sentence": view.sentence,
        "held_up_since": ramp.blocked_at,
        "steps": steps,
    }
    return dict(RampOut(body).data)
