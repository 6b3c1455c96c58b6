"""Hypotheses of a probe over the management API: written, or proposed by a model."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evals.api.probes import ProbeHypothesisOut
from evals.runner import probe_proposals
from evals.selectors import probes as reads
from evals.services.probes import design
from infra.api.authentication import actor_of
from infra.api.bodies import checked
from infra.api.fields import JSONValue


class HypothesisIn(serializers.Serializer):
    """A hypothesis of one's own."""

    component = serializers.CharField(max_length=200)
    sentence = serializers.CharField(max_length=500)
    changed = serializers.DictField(
        child=JSONValue(), help_text="Prompt number -> the changed messages."
    )


class ProposeIn(serializers.Serializer):
    """The model to ask, and for how many hypotheses at most."""

    model = serializers.CharField(max_length=200, help_text="As model graders name theirs.")
    n = serializers.IntegerField(min_value=1, max_value=probe_proposals.MOST_PROPOSED, default=3)


class ProposedOut(serializers.Serializer):
    """What was made of the answers, and what was left out."""

    made = ProbeHypothesisOut(many=True)
    refused = serializers.ListField(child=serializers.CharField())


class Hypotheses(APIView):
    """Adds a hypothesis of one's own."""

    @extend_schema(request=HypothesisIn, responses={201: ProbeHypothesisOut})
    def post(self, request: Request, probe_id: UUID) -> Response:
        data = checked(HypothesisIn, request.data)
        made = design.write_hypothesis(
            actor=actor_of(request),
            probe=reads.probe_with_id(probe_id),
            component=data["component"],
            sentence=data["sentence"],
            changed=_by_number(data["changed"]),
        )
        return Response(ProbeHypothesisOut(made).data, status=201)


class ProposeHypotheses(APIView):
    """Asks a model for hypotheses; their pairs wait for a person like any other."""

    @extend_schema(request=ProposeIn, responses=ProposedOut)
    def post(self, request: Request, probe_id: UUID) -> Response:
        data = checked(ProposeIn, request.data)
        probe = reads.probe_with_id(probe_id)
        found = probe_proposals.propose(actor=actor_of(request), probe=probe, **data)
        return Response(ProposedOut(found).data)


def _by_number(changed: dict[str, Any]) -> dict[int, Any]:
    wrong = [name for name, value in changed.items() if not _is_messages(name, value)]
    if wrong:
        message = f"{wrong[0]!r}: write a prompt's number, with a list of messages."
        raise serializers.ValidationError({"changed": message})
    return {int(name): value for name, value in changed.items()}


def _is_messages(name: str, value: Any) -> bool:
    is_list = isinstance(value, list) and all(isinstance(one, dict) for one in value)
    return name.isascii() and name.isdecimal() and len(name) < 6 and is_list
