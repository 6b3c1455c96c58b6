"""The road of a remark over the management API."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evals.selectors import lineage


class LineageSubjectOut(serializers.Serializer):
    kind = serializers.CharField()
    id = serializers.UUIDField()
    title = serializers.CharField()


class LineageStopOut(LineageSubjectOut):
    """One thing on the road."""

    at = serializers.DateTimeField(allow_null=True)
    state = serializers.CharField(allow_blank=True)


class LineageStepOut(serializers.Serializer):
    """All things of one kind; without stops it has not been taken yet."""

    name = serializers.CharField()
    stops = LineageStopOut(many=True)
    n_more = serializers.IntegerField()


class LineageOut(serializers.Serializer):
    """From the first remark to the checkpoint that no longer has the weakness."""

    subject = LineageSubjectOut()
    steps = LineageStepOut(many=True)
    fixed_by = LineageStopOut(allow_null=True)


class Lineage(APIView):
    """The whole road that the thing of that id is on, whatever it is."""

    @extend_schema(responses=LineageOut)
    def get(self, request: Request, subject_id: UUID) -> Response:
        return Response(lineage.as_json(lineage.road(subject_id)))
