"""Judges, their versions and calibrations over the management API."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evals.api.parameters import SUITE_NAME
from evals.api.stale import MadeStaleOut
from evals.models import Calibration, Judge, JudgeVersion
from evals.selectors import judges as reads
from evals.services import calibrations
from evals.services import judges as services
from infra import clock
from infra.api.authentication import actor_of
from infra.api.bodies import ReasonIn, checked
from infra.api.fields import JSONValue

NAME = OpenApiParameter(
    "name", {"type": "string", "pattern": f"^{SUITE_NAME}$"}, OpenApiParameter.PATH
)


class JudgeOut(serializers.ModelSerializer):
    """A judge with its newest version's number."""

    owner = serializers.SlugRelatedField(slug_field="name", read_only=True)
    choices = serializers.SerializerMethodField()
    version = serializers.IntegerField(source="version_number", read_only=True)
    n_items = serializers.IntegerField(read_only=True)

    class Meta:
        model = Judge
        fields = (
            "id",
            "name",
            "question",
            "choices",
            "owner",
            "floor",
            "min_labels",
            "n_raters",
            "version",
            "n_items",
            "created_at",
        )
        read_only_fields = fields

    def get_choices(self, judge: Judge) -> dict[str, float]:
        return judge.scores


class RateOut(serializers.Serializer):
    """A rate with its 95% interval."""

    rate = serializers.FloatField()
    lo = serializers.FloatField()
    hi = serializers.FloatField()


class CalibrationOut(serializers.ModelSerializer):
    """How far a version agreed with people; `table` has a row a human choice."""

    judge = serializers.CharField(source="version", read_only=True)
    table = serializers.ListField(child=serializers.ListField(child=serializers.IntegerField()))
    true_positive_rate = serializers.SerializerMethodField()
    false_positive_rate = serializers.SerializerMethodField()
    sentence = serializers.SerializerMethodField()

    class Meta:
        model = Calibration
        fields = (
            "id",
            "judge",
            "n_items",
            "n_labels",
            "n_raters",
            "n_double",
            "n_disputed",
            "n_errored",
            "table",
            "kappa",
            "kappa_lo",
            "kappa_hi",
            "agreement",
            "human_alpha",
            "true_positive_rate",
            "false_positive_rate",
            "oldest_label_at",
            "calibrated_by",
            "calibrated_at",
            "digest",
            "sentence",
        )
        read_only_fields = fields

    def _rate(self, found: Calibration, name: str) -> Any:
        one = reads.rates(found)[name]
        return None if one is None else dict(zip(("rate", "lo", "hi"), one, strict=True))

    @extend_schema_field(RateOut(allow_null=True))
    def get_true_positive_rate(self, found: Calibration) -> Any:
        return self._rate(found, "true_positive")

    @extend_schema_field(RateOut(allow_null=True))
    def get_false_positive_rate(self, found: Calibration) -> Any:
        return self._rate(found, "false_positive")

    def get_sentence(self, found: Calibration) -> str:
        return reads.sentence(found)


class JudgeVersionOut(serializers.ModelSerializer):
    """A version of a judge; `unfit` says why it can't gate, empty when it may."""

    judge = serializers.CharField(source="__str__", read_only=True)
    prompt = serializers.ListField(child=serializers.DictField(child=serializers.CharField()))
    parameters = serializers.DictField(child=serializers.JSONField())
    unfit = serializers.SerializerMethodField()
    calibration = serializers.SerializerMethodField()

    class Meta:
        model = JudgeVersion
        fields = (
            "judge",
            "number",
            "model",
            "prompt",
            "parameters",
            "digest",
            "created_by",
            "created_at",
            "unfit",
            "calibration",
        )
        read_only_fields = fields

    def get_unfit(self, version: JudgeVersion) -> str:
        return reads.unfit(version, self._newest(version), clock.now())

    @extend_schema_field(CalibrationOut(allow_null=True))
    def get_calibration(self, version: JudgeVersion) -> Any:
        found = self._newest(version)
        return CalibrationOut(found).data if found else None

    def _newest(self, version: JudgeVersion) -> Calibration | None:
        known = self.context.get("calibrations")
        return known[version.pk] if known else reads.newest_calibration(version)


class JudgeIn(serializers.Serializer):
    """A judge's document, as `manage.py judge create` reads it."""

    judge = JSONValue(help_text="kind, name, question, choices, model, prompt, parameters, …")


class MadeOut(serializers.Serializer):
    """A version, and what went stale by it; `is_new` false: the judge held exactly this."""

    judge = serializers.CharField()
    is_new = serializers.BooleanField()
    digest = serializers.CharField()
    made_stale = MadeStaleOut(many=True)


class JudgeTermsIn(ReasonIn):
    """Another floor, number of labels or of raters, and why."""

    floor = serializers.FloatField(min_value=0, max_value=0.99)
    min_labels = serializers.IntegerField(min_value=10, max_value=100_000)
    n_raters = serializers.IntegerField(min_value=1, max_value=20)


class CalibrateIn(serializers.Serializer):
    """Which version; the newest when left out."""

    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1, required=False)


class CalibratedOut(serializers.Serializer):
    """The calibration; null while a worker asks the judge about outputs that it has yet to see."""

    judge = serializers.CharField()
    calibration = CalibrationOut(allow_null=True)


class Judges(ListAPIView):
    """Every judge; POST makes one, or its next version."""

    serializer_class = JudgeOut

    def get_queryset(self) -> QuerySet[Judge]:
        return reads.judges()

    @extend_schema(request=JudgeIn, responses={200: MadeOut, 201: MadeOut})
    def post(self, request: Request) -> Response:
        actor = actor_of(request)
        services.must_edit(actor)
        spec = services.spec_of_document(checked(JudgeIn, request.data)["judge"])
        made = services.make_version(actor=actor, spec=spec)
        body = {
            "judge": str(made.version),
            "is_new": made.is_new,
            "digest": made.version.digest,
            "made_stale": [found.as_dict() for found in made.stale],
        }
        return Response(MadeOut(body).data, status=201 if made.is_new else 200)


class JudgeDetail(APIView):
    """One judge."""

    @extend_schema(parameters=[NAME], responses=JudgeOut)
    def get(self, request: Request, name: str) -> Response:
        return Response(_judge_out(name))


class Versions(APIView):
    """Every version of a judge with its newest calibration, the newest first."""

    @extend_schema(parameters=[NAME], responses=JudgeVersionOut(many=True))
    def get(self, request: Request, name: str) -> Response:
        judge = reads.judge_named(name)
        found = reads.versions_with_calibration(judge)
        for version, _ in found:
            version.judge = judge
        known = {version.pk: calibration for version, calibration in found}
        rows = [version for version, _ in found]
        return Response(JudgeVersionOut(rows, many=True, context={"calibrations": known}).data)


class Calibrations(ListAPIView):
    """Every calibration of a judge, the newest first."""

    serializer_class = CalibrationOut

    def get_queryset(self) -> QuerySet[Calibration]:
        if getattr(self, "swagger_fake_view", False):
            return Calibration.objects.none()
        judge = reads.judge_named(self.kwargs["name"])
        found = Calibration.objects.filter(version__judge=judge)
        return found.select_related("version__judge").order_by("-calibrated_at")

    @extend_schema(parameters=[NAME])
    def get(self, request: Request, name: str) -> Response:
        return self.list(request)


class Terms(APIView):
    """Changes what the judge is held to."""

    @extend_schema(parameters=[NAME], request=JudgeTermsIn, responses=JudgeOut)
    def post(self, request: Request, name: str) -> Response:
        data = checked(JudgeTermsIn, request.data)
        services.change_terms(actor=actor_of(request), judge=reads.judge_named(name), **data)
        return Response(_judge_out(name))


class Calibrate(APIView):
    """Holds a version against the labels; a worker first asks what it has yet to see."""

    @extend_schema(
        parameters=[NAME], request=CalibrateIn, responses={200: CalibratedOut, 202: CalibratedOut}
    )
    def post(self, request: Request, name: str) -> Response:
        data = checked(CalibrateIn, request.data)
        reference = f"{name}@{data['version']}" if "version" in data else name
        version = reads.version_named(reference)
        made = calibrations.ask_for_calibration(actor=actor_of(request), version=version)
        body = {"judge": str(version), "calibration": made}
        return Response(CalibratedOut(body).data, status=200 if made else 202)


def _judge_out(name: str) -> Any:
    reads.judge_named(name)
    return JudgeOut(reads.judges().get(name=name)).data
