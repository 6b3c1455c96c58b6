"""What the database says of the product, for Prometheus: one answer for the whole installation.

The gateway's `/metrics` is of a process and is scraped from each; this is scraped once.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.module_loading import import_string
from django.views.generic import View
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from infra import clock

PREFIX = "slipway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """One number, or one by the value of `label`."""

    name: str
    """Without the prefix, with its unit: `mail_oldest_seconds`."""
    told: str
    values: Mapping[str, float]
    """By the label's value; by "" where there is no label."""
    label: str = ""


def one(name: str, told: str, value: float) -> Gauge:
    """A number without a label."""
    return Gauge(name=name, told=told, values={"": value})


def by(name: str, told: str, label: str, values: Mapping[str, float], all_: Iterable[str]) -> Gauge:
    """A number for each of `all_`; 0 for those that `values` leaves out."""
    return Gauge(name=name, told=told, label=label, values=dict.fromkeys(all_, 0.0) | dict(values))


def counted(rows: QuerySet[Any], field: str) -> dict[str, float]:
    """How many rows have each value of `field`, in one query."""
    found = rows.order_by().values(field).annotate(n=Count("pk"))
    return {str(row[field]): float(row["n"]) for row in found}


def seconds_since(moment: datetime | None, now: datetime) -> float:
    """0 where there is nothing to be old."""
    return max((now - moment).total_seconds(), 0.0) if moment else 0.0


class _Gauges(Collector):
    def __init__(self, now: datetime) -> None:
        self._now = now

    def collect(self) -> Iterator[Metric]:
        makers: list[Callable[[datetime], Iterable[Gauge]]] = [
            import_string(path) for path in settings.GAUGE_SOURCES
        ]
        for make in makers:
            for gauge in make(self._now):
                labels = (gauge.label,) if gauge.label else ()
                family = GaugeMetricFamily(f"{PREFIX}_{gauge.name}", gauge.told, labels=labels)
                for value, number in gauge.values.items():
                    family.add_metric((value,) if labels else (), number)
                yield family


class ProductMetrics(View):
    """`GET /metrics/product` with `Authorization: Bearer SLIPWAY_METRICS_TOKEN`."""

    http_method_names = ("get",)

    def get(self, request: HttpRequest) -> HttpResponse:
        if not settings.METRICS_TOKEN:
            raise Http404
        sent = request.headers.get("authorization", "").encode("utf-8", "replace")
        if not hmac.compare_digest(sent, f"Bearer {settings.METRICS_TOKEN}".encode()):
            words = "Send SLIPWAY_METRICS_TOKEN as `Authorization: Bearer …`.\n"
            refused = HttpResponse(words, status=401, content_type="text/plain; charset=utf-8")
            refused["WWW-Authenticate"] = "Bearer"
            return refused
        body = generate_latest(_Gauges(clock.now()))
        return HttpResponse(body, content_type=CONTENT_TYPE_PLAIN_0_0_4)
