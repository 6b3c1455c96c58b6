"""Hypotheses of a probe over the management API: written, or proposed by a model."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evals.api.probes import ProbeHypothesisOut
from evals.runner import probe_proposals
from evals.selectors import probes as reads
from evals.services.probes import documents
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
        made = documents.write_from_document(
            actor=actor_of(request), probe=reads.probe_with_id(probe_id), document=data
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
