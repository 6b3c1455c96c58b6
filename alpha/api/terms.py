"""The terms that partners accept."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from alpha.models import Terms
from alpha.services import terms
from infra.api.authentication import actor_of
from infra.api.bodies import checked


class TermsVersionIn(serializers.Serializer):
    version = serializers.CharField(max_length=40)
    text = serializers.CharField(max_length=terms.LONGEST_TEXT, trim_whitespace=False)


class TermsVersionOut(serializers.ModelSerializer):
    class Meta:
        model = Terms
        fields = ("id", "version", "text", "published_at")
        read_only_fields = fields


class TermsVersions(ListAPIView):
    """Every version of the terms, newest first; POST publishes one, for good."""

    serializer_class = TermsVersionOut
    queryset = Terms.objects.all()

    @extend_schema(request=TermsVersionIn, responses={201: TermsVersionOut})
    def post(self, request: Request) -> Response:
        data = checked(TermsVersionIn, request.data)
        made = terms.publish_terms(actor=actor_of(request), **data)
        return Response(TermsVersionOut(made).data, status=201)
