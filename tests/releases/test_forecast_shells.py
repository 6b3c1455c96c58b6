"""The ledger over the API, the command line and the console: the same numbers."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse

from releases.console.forecasts import calibration_chart
from releases.models import Forecast, ForecastObservation, Promotion
from releases.selectors import forecasts as reads
from tests import builders
from tests.clients import signed_in
from tests.releases import story

pytestmark = pytest.mark.django_db


def ledger(n: int = 6, n_held: int = 1, observed: bool = True) -> Promotion:
    """Promotions whose forecast of the error rate mostly missed; the last of them."""
    cast = builders.cast()
    builders.login("admin")
    stage = story.stage(story.MANUAL, name="closed-alpha")
    for number in range(n):
        promotion = story.requested(
            cast.release_manager, builders.checkpoint(f"chat-nano-{number}"), stage
        )
        row = Forecast.objects.create(
            promotion=promotion, kind="error_rate", predicted=0.02, lo=0.01, hi=0.04, n=400,
            basis="units with a failed call", predicted_at=builders.NOW + timedelta(days=number),
        )  # fmt: skip
        if observed:
            ForecastObservation.objects.create(
                forecast=row, observed=0.1, lo=0.08, hi=0.13, n=600, since=builders.NOW,
                until=builders.NOW, basis="seen", agrees=number < n_held, inside=False, factor=5.0,
                observed_at=builders.NOW,
            )  # fmt: skip
    return promotion


def output(*arguments: str) -> Any:
    out = StringIO()
    call_command("forecast", *arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_api_command_and_page_tell_the_same_ledger() -> None:
    ledger()
    client = signed_in("admin")
    told = client.get("/api/forecasts/ledger/").json()
    assert told["kinds"] == output("ledger")["kinds"] == reads.ledger()
    [score] = told["kinds"]
    assert (score["n_promotions"], score["keeps_missing"]) == (6, True)
    assert len(told["points"]) == 6
    page = client.get(reverse("console-forecasts")).content.decode()
    assert score["sentence"].replace("'", "&#x27;") in page
    assert page.count("missed</span>") == 5
    listed = client.get("/api/forecasts/?kind=error_rate").json()["results"]
    assert [row["observation"]["factor"] for row in listed] == [5.0] * 6
    assert [row["id"] for row in output("list")] == [row["id"] for row in listed]
    assert client.get("/api/forecasts/?kind=weather").status_code == 400
    assert client.get(reverse("console-forecasts") + "?kind=weather").status_code == 404


def test_a_kind_that_keeps_missing_is_told_at_its_gate_and_changes_no_outcome() -> None:
    promotion = ledger()
    gate = {"id": "errors", "kind": "error_rate", "at_most": 0.05, "stage": "internal"}
    promotion.stage.policy = story.policy(gate, story.MANUAL)
    promotion.stage.save(update_fields=["policy"])
    builders.stage("internal")
    cast = builders.cast()
    asked = story.requested(
        cast.release_manager, builders.checkpoint("chat-nano-next"), promotion.stage
    )
    page = signed_in("admin").get(reverse("console-promotion", args=[asked.pk])).content.decode()
    assert "these forecasts keep missing" in page
    outcome = asked.evaluations.get().outcomes.get(gate_id="errors")
    assert "missing" not in outcome.code and outcome.outcome == "inconclusive"


def test_a_promotion_shows_what_it_predicts() -> None:
    promotion = ledger(1, observed=False)
    page = signed_in("admin").get(reverse("console-promotion", args=[promotion.pk]))
    assert "What it predicts" in page.content.decode()
    assert "Not enough seen yet" in page.content.decode()
    assert output("ledger") == {"kinds": [], "points": []}


def test_an_empty_ledger_says_where_forecasts_come_from() -> None:
    builders.login("admin")
    page = signed_in("admin").get(reverse("console-forecasts")).content.decode()
    assert "No forecast yet" in page and "manage.py forecast list" in page


def test_the_plot_has_every_point_and_the_line_of_perfect_forecasts() -> None:
    ledger(3)
    told = json.loads(calibration_chart(reads.points()))
    shown = {one["name"]: len(one["points"]) for one in told["series"]}
    assert shown == {"Held": 1, "Missed": 2, "As predicted": 2}
    assert told["series"][0]["points"][0] == {
        "x": 2.0, "y": 10.0, "lo": 8.0, "hi": 13.0, "name": "error rate of chat-nano-0"
    }  # fmt: skip
    assert calibration_chart([]) == ""


def test_who_may_look_now(capsys: Any) -> None:
    ledger(1, observed=False)
    with pytest.raises(SystemExit):
        call_command("forecast", "observe", "--by", "auditor")
    assert "may not observe forecasts" in capsys.readouterr().err
    assert output("observe", "--by", "release_manager") == {"n_new": 0}
