"""Partners, cohorts and what they used."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alpha import selectors
from alpha.api.shapes import LimitsIn, quotas_in
from alpha.models import Cohort, Partner
from alpha.quotas import NAMES
from alpha.services import partners
from alpha.usage_days import usage_days
from infra.api.authentication import actor_of
from infra.api.bodies import ReasonIn, checked


class PartnerIn(LimitsIn):
    name = serializers.SlugField(max_length=80)
    contact_email = serializers.EmailField(max_length=254)


class PartnerOut(serializers.ModelSerializer):
    cohorts = serializers.SlugRelatedField(slug_field="name", many=True, read_only=True)

    class Meta:
        model = Partner
        fields = (
            "id",
            "name",
            "contact_email",
            "created_at",
            "ended_at",
            "cohorts",
            "people_may_issue_keys",
            *NAMES,
        )
        read_only_fields = fields


class UsageOut(serializers.Serializer):
    codename = serializers.CharField()
    currency = serializers.CharField(allow_blank=True)
    n_requests = serializers.IntegerField()
    n_failed = serializers.IntegerField()
    n_tokens_in = serializers.IntegerField()
    n_tokens_out = serializers.IntegerField()
    spent_micros = serializers.IntegerField()
    last_at = serializers.DateTimeField()


class UsageDayOut(serializers.Serializer):
    """One codename on one day of UTC, in one currency; latencies in ms."""

    day = serializers.DateField()
    codename = serializers.CharField()
    currency = serializers.CharField(allow_blank=True)
    n_requests = serializers.IntegerField()
    n_failed = serializers.IntegerField()
    tokens_in = serializers.IntegerField()
    tokens_out = serializers.IntegerField()
    cost_micros = serializers.IntegerField()
    p50_ms = serializers.FloatField(allow_null=True)
    p95_ms = serializers.FloatField(allow_null=True)


class CohortIn(serializers.Serializer):
    name = serializers.SlugField(max_length=80)


class CohortOut(serializers.ModelSerializer):
    partners = serializers.SlugRelatedField(slug_field="name", many=True, read_only=True)

    class Meta:
        model = Cohort
        fields = ("id", "name", "created_at", "partners")
        read_only_fields = fields


class MemberIn(serializers.Serializer):
    partner = serializers.SlugField(max_length=80)


class Partners(ListAPIView):
    """All partners; a new one by POST."""

    serializer_class = PartnerOut
    queryset = Partner.objects.prefetch_related("cohorts")

    @extend_schema(request=PartnerIn, responses={201: PartnerOut})
    def post(self, request: Request) -> Response:
        data = checked(PartnerIn, request.data)
        partner = partners.make_partner(
            actor=actor_of(request),
            name=data["name"],
            contact_email=data["contact_email"],
            quotas=quotas_in(data),
        )
        return Response(PartnerOut(partner).data, status=201)


class PartnerDetail(APIView):
    @extend_schema(responses=PartnerOut)
    def get(self, request: Request, name: str) -> Response:
        return Response(PartnerOut(selectors.partner_named(name)).data)


class EndPartner(APIView):
    """Ends the partner's access: every key and grant of its own."""

    @extend_schema(request=ReasonIn, responses=PartnerOut)
    def post(self, request: Request, name: str) -> Response:
        data = checked(ReasonIn, request.data)
        partner = selectors.partner_named(name)
        partners.end_partner(actor=actor_of(request), partner=partner, **data)
        return Response(PartnerOut(selectors.partner_named(name)).data)


class PartnerUsage(APIView):
    """Requests, tokens and cost per codename over the last 30 days."""

    @extend_schema(responses=UsageOut(many=True))
    def get(self, request: Request, name: str) -> Response:
        rows = selectors.usage_by_codename(selectors.partner_named(name))
        return Response(UsageOut(rows, many=True).data)


class PartnerUsageDays(APIView):
    """The last 30 days by day and codename: the numbers behind the charts."""

    @extend_schema(responses=UsageDayOut(many=True))
    def get(self, request: Request, name: str) -> Response:
        rows = usage_days(selectors.partner_named(name).pk)
        return Response(UsageDayOut(rows, many=True).data)


class Cohorts(ListAPIView):
    """All cohorts; a new one by POST."""

    serializer_class = CohortOut
    queryset = Cohort.objects.prefetch_related("partners")

    @extend_schema(request=CohortIn, responses={201: CohortOut})
    def post(self, request: Request) -> Response:
        data = checked(CohortIn, request.data)
        cohort = partners.make_cohort(actor=actor_of(request), **data)
        return Response(CohortOut(cohort).data, status=201)


class Members(APIView):
    """Puts a partner into the cohort."""

    @extend_schema(request=MemberIn, responses=CohortOut)
    def post(self, request: Request, name: str) -> Response:
        data = checked(MemberIn, request.data)
        cohort = selectors.cohort_named(name)
        partner = selectors.partner_named(data["partner"])
        partners.join_cohort(actor=actor_of(request), cohort=cohort, partner=partner)
        return Response(CohortOut(selectors.cohort_named(name)).data)


class LeaveIn(ReasonIn):
    partner = serializers.SlugField(max_length=80)


class Leave(APIView):
    """Takes a partner out of the cohort: its grants stop serving it at once."""

    @extend_schema(request=LeaveIn, responses=CohortOut)
    def post(self, request: Request, name: str) -> Response:
        data = checked(LeaveIn, request.data)
        partners.leave_cohort(
            actor=actor_of(request),
            cohort=selectors.cohort_named(name),
            partner=selectors.partner_named(data["partner"]),
            reason=data["reason"],
        )
        return Response(CohortOut(selectors.cohort_named(name)).data)
