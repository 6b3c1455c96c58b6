"""The forecast ledger over the management API."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from infra.api.bodies import checked
from releases.models import Forecast, ForecastObservation
from releases.selectors import forecasts as reads
from releases.states import ForecastKind

KIND = OpenApiParameter(
    "kind", {"type": "string", "enum": [kind.value for kind in ForecastKind]}, description="Only."
)


class ForecastQuery(serializers.Serializer):
    """Which kind of forecasts; all without."""

    kind = serializers.ChoiceField(choices=[kind.value for kind in ForecastKind], required=False)


class ForecastObservationOut(serializers.ModelSerializer):
    """What the stage showed."""

    class Meta:
        model = ForecastObservation
        fields = (
            *("observed", "lo", "hi", "n", "since", "until", "basis"),
            *("agrees", "inside", "factor", "observed_at"),
        )
        read_only_fields = fields


class ForecastOut(serializers.ModelSerializer):
    """One prediction of a promotion; `observation` is null until enough was seen."""

    promotion = serializers.UUIDField(source="promotion_id", read_only=True)
    checkpoint = serializers.CharField(source="promotion.checkpoint.name", read_only=True)
    stage = serializers.CharField(source="promotion.stage.name", read_only=True)
    observation = ForecastObservationOut(read_only=True, allow_null=True, default=None)

    class Meta:
        model = Forecast
        fields = (
            *("id", "promotion", "checkpoint", "stage", "kind", "name", "predicted", "lo", "hi"),
            *("n", "basis", "inputs", "predicted_at", "observation"),
        )
        read_only_fields = fields


class ForecastScoreOut(serializers.Serializer):
    """How one kind has fared."""

    kind = serializers.CharField()
    n = serializers.IntegerField()
    n_promotions = serializers.IntegerField()
    coverage = serializers.FloatField(help_text="Share of forecasts that held.")
    lo = serializers.FloatField()
    hi = serializers.FloatField()
    inside = serializers.FloatField()
    median_factor = serializers.FloatField()
    keeps_missing = serializers.BooleanField()
    sentence = serializers.CharField()


class CalibrationPointOut(serializers.Serializer):
    """One point of the calibration plot; predicted and observed are [value, lo, hi]."""

    kind = serializers.CharField()
    name = serializers.CharField(allow_blank=True)
    promotion = serializers.UUIDField()
    checkpoint = serializers.CharField()
    stage = serializers.CharField()
    predicted = serializers.ListField(child=serializers.FloatField())
    observed = serializers.ListField(child=serializers.FloatField())
    agrees = serializers.BooleanField()


class ForecastLedgerOut(serializers.Serializer):
    """Scores by kind, and the points behind them."""

    kinds = ForecastScoreOut(many=True)
    points = CalibrationPointOut(many=True)


class Forecasts(ListAPIView):
    """Every forecast, newest first."""

    serializer_class = ForecastOut

    def get_queryset(self) -> QuerySet[Forecast]:
        asked: dict[str, Any] = checked(ForecastQuery, self.request.query_params)
        return reads.forecasts(asked.get("kind", ""))

    @extend_schema(parameters=[KIND])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class ForecastLedger(APIView):
    """Coverage, median error and calibration of every kind of evidence."""

    @extend_schema(parameters=[KIND], responses=ForecastLedgerOut)
    def get(self, request: Request) -> Response:
        asked: dict[str, Any] = checked(ForecastQuery, request.query_params)
        kind = asked.get("kind", "")
        kinds = [row for row in reads.ledger() if kind in ("", row["kind"])]
        return Response(ForecastLedgerOut({"kinds": kinds, "points": reads.points(kind)}).data)


urlpatterns = [
    path("forecasts/", Forecasts.as_view(), name="forecasts"),
    path("forecasts/ledger/", ForecastLedger.as_view(), name="forecast-ledger"),
]
