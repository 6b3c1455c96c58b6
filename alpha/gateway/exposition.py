"""The workers' counts in the text format of Prometheus.

Imported with the first scrape: the library loads a web server that the calls have no use for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from alpha.gateway.counts import BOUNDS_S, Snapshot

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
PREFIX = "slipway_gateway"
COUNTERS = {
    "calls": ("Admitted calls that ended, by outcome.", ("endpoint", "outcome")),
    "refusals": ("Calls that were not admitted.", ("status", "code")),
    "failed_keys": ("Calls without a key in force, by reason.", ("reason",)),
    "upstream_failures": ("Failures of upstreams, by class.", ("class",)),
}
HISTOGRAMS = {
    "call_seconds": "From admission to the end of the answer.",
    "first_byte_seconds": "From admission to the first piece of the answer.",
}
GAUGES = {
    "calls_under_way": "Calls being answered.",
    "sources_limited": "Addresses whose calls with failing keys are refused at the moment.",
    "sources_known": "Addresses that lately sent keys that are not valid.",
    "journal_events_waiting": "Usage events that are not in PostgreSQL yet.",
    "journal_bytes_waiting": "Bytes of the journal that were not shipped yet.",
    "reservations_unsettled": "Ended calls that the counters of limits were not told of yet.",
    "table_age_seconds": "Since the routing table was read; NaN without one.",
    "is_listening": "1 while PostgreSQL tells this worker of changes.",
    "deployments_resting": "Deployments that failed call after call, and are asked last.",
}


class _Snapshots(Collector):
    def __init__(self, snapshots: Sequence[Snapshot]) -> None:
        self._snapshots = snapshots

    def collect(self) -> Iterator[Metric]:
        yield from self._counters()
        yield from self._histograms()
        for name, told in GAUGES.items():
            gauge = GaugeMetricFamily(f"{PREFIX}_{name}", told, labels=("worker",))
            for each in self._snapshots:
                gauge.add_metric((each["worker"],), each["gauges"][name])
            yield gauge

    def _counters(self) -> Iterator[Metric]:
        for name, (told, labels) in COUNTERS.items():
            counter = CounterMetricFamily(f"{PREFIX}_{name}", told, labels=("worker", *labels))
            for each in self._snapshots:
                for *values, number in each["counters"][name]:
                    counter.add_metric((each["worker"], *values), number)
            yield counter

    def _histograms(self) -> Iterator[Metric]:
        for name, told in HISTOGRAMS.items():
            family = HistogramMetricFamily(f"{PREFIX}_{name}", told, labels=("worker", "endpoint"))
            for each in self._snapshots:
                for endpoint, buckets, sum_s in each["histograms"][name]:
                    labels = (each["worker"], endpoint)
                    family.add_metric(labels, _cumulated(buckets), sum_s)
            yield family


def _cumulated(buckets: Iterable[int]) -> list[tuple[str, float]]:
    """Each upper end in seconds with how many took at most as long."""
    ends = (*map(str, BOUNDS_S), "+Inf")
    return [(end, float(n)) for end, n in zip(ends, accumulate(buckets), strict=True)]


def exposed(snapshots: Sequence[Snapshot]) -> bytes:
    """What a scrape is answered."""
    return generate_latest(_Snapshots(snapshots))
