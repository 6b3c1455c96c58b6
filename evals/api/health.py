"""How long suites may be trusted, over the management API."""

from __future__ import annotations

from dataclasses import asdict

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evals.api.parameters import NAME
from evals.models import CaseAudit
from evals.selectors import health, suites
from evals.services.health import audit_case
from evals.shelf import notes_of
from evals.states import AuditFinding
from infra import clock
from infra.api.authentication import actor_of
from infra.api.bodies import ReasonIn, checked
from infra.errors import InvalidMove, NotFound


def number() -> serializers.FloatField:
    return serializers.FloatField(allow_null=True)


class PointOut(serializers.Serializer):
    """One checkpoint of the trend."""

    checkpoint = serializers.CharField()
    day = serializers.DateField()
    score = serializers.FloatField()
    se = serializers.FloatField()


class SignalOut(serializers.Serializer):
    """Something to look at; never a verdict."""

    code = serializers.CharField()
    sentence = serializers.CharField()
    cases = serializers.ListField(child=serializers.CharField())


class CheckOut(serializers.Serializer):
    """A case whose discrimination is negative."""

    case_id = serializers.CharField()
    r = serializers.FloatField()


class LinkOut(serializers.Serializer):
    """How scores read on the predecessor's scale, in shares of 1."""

    version = serializers.IntegerField()
    n_common = serializers.IntegerField()
    offset = serializers.FloatField()
    linking_error = serializers.FloatField()


class ClassOut(serializers.Serializer):
    """The suite over the checkpoints of one family and size; scores are shares of 1."""

    family = serializers.CharField()
    size = serializers.CharField()
    state = serializers.CharField()
    reason = serializers.CharField()
    notes = serializers.ListField(child=serializers.CharField())
    measured_at = serializers.DateTimeField()
    points = PointOut(many=True)
    n_cases = serializers.IntegerField()
    n_constant = serializers.IntegerField()
    n_passed_by_all = serializers.IntegerField()
    difficulty = serializers.ListField(child=serializers.IntegerField())
    n_no_signal = serializers.IntegerField()
    to_check = CheckOut(many=True)
    best = serializers.FloatField()
    ceiling = serializers.FloatField()
    ceiling_lo = serializers.FloatField()
    ceiling_hi = serializers.FloatField()
    n_audited = serializers.IntegerField()
    n_mislabelled = serializers.IntegerField()
    headroom = serializers.FloatField()
    mde = number()
    live_share = number()
    is_saturated = serializers.BooleanField()
    saturated_before = serializers.BooleanField()
    is_contaminated = serializers.BooleanField()
    forecast = serializers.DateField(allow_null=True)
    forecast_lo = serializers.DateField(allow_null=True)
    forecast_hi = serializers.DateField(allow_null=True)
    n_from_partners = serializers.IntegerField()
    n_partners = serializers.IntegerField()
    signals = SignalOut(many=True)
    link = LinkOut(allow_null=True)


class SuiteHealthOut(serializers.Serializer):
    """A suite's state with its reason, the most worn size first."""

    suite = serializers.CharField()
    state = serializers.CharField()
    reason = serializers.CharField()
    review_by = serializers.DateField()
    n_cases = serializers.IntegerField()
    classes = ClassOut(many=True)


class SuiteHealth(APIView):
    """As it was measured after the newest run; nothing is computed here."""

    @extend_schema(parameters=[NAME], responses=SuiteHealthOut)
    def get(self, request: Request, name: str) -> Response:
        found = health.suite_health(suites.suite_named(name), clock.now().date())
        body = {
            "suite": name,
            "state": found.state.value,
            "reason": found.reason,
            "review_by": found.review_by,
            "n_cases": found.n_cases,
            "classes": [_class(one) for one in found.classes],
        }
        return Response(SuiteHealthOut(body).data)


def _class(one: health.ClassHealth) -> dict[str, object]:
    measured = asdict(one.measured)
    measured["to_check"] = [{"case_id": case, "r": r} for case, r in one.measured.to_check]
    return {
        "family": one.family,
        "size": one.size,
        "state": one.state.value,
        "reason": one.reason,
        "notes": notes_of(one.measured),
        "measured_at": one.measured_at,
        **measured,
    }


class AuditIn(ReasonIn):
    """Whose fault a case's failures are."""

    case_id = serializers.CharField(max_length=200)
    finding = serializers.ChoiceField([finding.value for finding in AuditFinding])


class AuditOut(serializers.ModelSerializer):
    """What somebody found who looked at a case."""

    case_id = serializers.CharField(source="case.case_id", read_only=True)

    class Meta:
        model = CaseAudit
        fields = ("case_id", "finding", "reason", "audited_by", "audited_at")
        read_only_fields = fields


class Audits(APIView):
    """Audits of the newest version's failures; the ceiling follows from them."""

    @extend_schema(parameters=[NAME], request=AuditIn, responses={201: AuditOut})
    def post(self, request: Request, name: str) -> Response:
        data = checked(AuditIn, request.data)
        version = suites.newest_published(suites.suite_named(name))
        if version is None:
            raise InvalidMove("nothing_published", f"Suite {name} has no published version.")
        case = version.cases.filter(case_id=data["case_id"]).first()
        if case is None:
            raise NotFound("no_such_case", f"{version} has no case {data['case_id']!r}.")
        made = audit_case(
            actor=actor_of(request),
            case=case,
            finding=AuditFinding(data["finding"]),
            reason=data["reason"],
        )
        return Response(AuditOut(made).data, status=201)
