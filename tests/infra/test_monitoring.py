"""What the database tells Prometheus; the shipped dashboard and alerts ask for nothing else."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from alpha.gateway import exposition
from infra import clock
from infra.models import Mail
from infra.notifications import outbox, reader
from infra.notifications.kinds import Fact, Kind
from releases.services import holds
from tests import builders
from tests.releases import story

TOKEN = "a-metrics-token-of-these-tests"
SHIPPED = Path(__file__).resolve().parents[2] / "infra/deploy/monitoring"
NAME = re.compile(r"\bslipway_[a-z_]+")
PICKED = re.compile(r'(slipway_[a-z_]+)\{([a-z_]+)(=~?|!~)"([^"]+)"')
Samples = dict[tuple[str, str], float]


@pytest.fixture
def token(settings: Any, valkey: str) -> str:
    settings.METRICS_TOKEN = TOKEN
    return TOKEN


def scrape(token: str) -> Samples:
    """(name, label's value) -> number."""
    answer = Client().get("/metrics/product", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


@pytest.mark.django_db
def test_what_waits_serves_and_stands_in_the_way_is_counted(token: str) -> None:
    cast = builders.cast()
    reader.read_on()
    stage = story.stage(story.MANUAL)
    story.promoted(cast, builders.checkpoint(), stage)
    story.requested(cast.release_manager, builders.checkpoint("chat-nano-2"), stage)
    holds.place_hold(actor=cast.engineer, stage=stage, reason="Not yet.")
    told = Fact(
        kind=Kind.HALT, key="k", event="", title="t", text="", link="/",
        persons=frozenset({cast.engineer.person_id}),
    )  # fmt: skip
    outbox.post(told)
    found = scrape(token)
    assert found["slipway_releases", "live"] == 1
    assert found["slipway_promotions", "waiting"] == 1
    assert (found["slipway_holds", "person"], found["slipway_holds", "slipway"]) == (1, 0)
    assert found["slipway_mails", "pending"] == 1
    assert found["slipway_notifications_unread_entries", ""] == reader.n_unread() > 0
    assert found["slipway_queue_tasks", "celery"] >= 0
    assert math.isnan(found["slipway_usage_newest_event_timestamp_seconds", ""])
    Mail.objects.update(created_at=clock.now().replace(year=2020))
    assert scrape(token)["slipway_mail_oldest_seconds", ""] > 1e6


@pytest.mark.django_db
def test_the_queues_of_a_valkey_that_is_away_are_not_a_number(token: str, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    found = scrape(token)
    assert math.isnan(found["slipway_queue_tasks", "runs"])
    assert found["slipway_line_is_stopped", ""] == 0


@pytest.mark.django_db
def test_only_who_has_the_token_reads_it(settings: Any) -> None:
    settings.METRICS_TOKEN = ""
    assert Client().get("/metrics/product").status_code == 404
    settings.METRICS_TOKEN = TOKEN
    for sent in ("", "Bearer other", f"Basic {TOKEN}", "Bearer ünïcode"):
        answer = Client().get("/metrics/product", headers={"authorization": sent})
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert Client().post("/metrics/product").status_code in (403, 405)


def asked() -> list[str]:
    """Every expression of the dashboard and the alerts."""
    dashboard = json.loads((SHIPPED / "dashboard.json").read_text())
    rules = yaml.safe_load((SHIPPED / "alerts.yaml").read_text())
    found = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    targets = [target for panel in dashboard["panels"] for target in panel.get("targets", ())]
    return found + [target["expr"] for target in targets]


def of_the_gateway() -> set[str]:
    """Names as `/metrics` writes them."""
    counters = {f"{exposition.PREFIX}_{name}_total" for name in exposition.COUNTERS}
    parts = ("bucket", "sum", "count")
    histograms = {
        f"{exposition.PREFIX}_{n}_{part}" for n in exposition.HISTOGRAMS for part in parts
    }
    return counters | histograms | {f"{exposition.PREFIX}_{name}" for name in exposition.GAUGES}


@pytest.mark.django_db
def test_dashboard_and_alerts_ask_only_for_what_is_exported(token: str) -> None:
    product = scrape(token)
    exported = {name for name, _ in product} | of_the_gateway()
    wanted = {name for expression in asked() for name in NAME.findall(expression)}
    assert len(wanted) > 25 and wanted <= exported, wanted - exported
    for expression in asked():
        for name, _, _, values in PICKED.findall(expression):
            known = {value for metric, value in product if metric == name}
            assert not known or set(values.split("|")) <= known, expression


def test_every_alert_says_what_to_do() -> None:
    rules = yaml.safe_load((SHIPPED / "alerts.yaml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("page", "ticket", "info"), rule["alert"]
            assert set(rule["annotations"]) == {"summary", "action"}, rule["alert"]
    jobs = yaml.safe_load((SHIPPED / "prometheus.yml").read_text())["scrape_configs"]
    assert [job["metrics_path"] for job in jobs] == ["/metrics", "/metrics/product"]
