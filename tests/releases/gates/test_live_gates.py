"""Gates on rates, latency and cost of live traffic."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from releases.gates.live import split_p
from releases.gates.live_options import odds_limit
from releases.states import Outcome
from tests.releases.gates.live_shapes import (
    alike,
    arms,
    better,
    costs,
    early,
    findings,
    harmed,
    harmed_early,
    interval,
    money,
    nothing_yet,
    rate,
    slow,
    worse,
)
from tests.releases.gates.shapes import NOW, judged

PASS, FAIL = Outcome.PASS, Outcome.FAIL
CANT_TELL, ERROR = Outcome.INCONCLUSIVE, Outcome.ERROR
TWICE = {"ratio_at_most": 2.0}
LATER = (NOW + timedelta(hours=1)).isoformat()


@pytest.mark.parametrize(
    ("options", "observed", "outcome", "words"),
    [
        (
            TWICE,
            alike(),
            PASS,
            "error rate: 1x the incumbent's so far (95% anytime range 0.518..1.93; 40 of 2,000 "
            "units against 40 of 2,000 on rc-1), within the 2x limit: passes.",
        ),
        (TWICE, better(), PASS, "better than the incumbent, within the 2x limit: passes"),
        (TWICE, worse(), CANT_TELL, "worse, and not settled against the 2x limit; "),
        ({**TWICE, "block_on": "worse"}, worse(), FAIL, "not settled against the 2x limit"),
        (TWICE, harmed(), FAIL, "12.2x the incumbent's so far (95% anytime range 2.81..53.2; "),
        (TWICE, early(), CANT_TELL, "about 59 more events, 24 days at this traffic: holds."),
        # Harm counts below the minimum sample, and a pass does not.
        ({"ratio_at_most": 1.25}, harmed_early(), FAIL, "the candidate alone so far (95% anytime"),
        ({**TWICE, "min_units": 2001}, alike(), CANT_TELL, "2,001 needed before anything passes; "),
        ({**TWICE, "min_units": 3000}, better(), CANT_TELL, "1,000 more, 2 days at this traffic"),
        (TWICE, harmed_early(), CANT_TELL, "40 units in the candidate arm, 100 needed"),
        (TWICE, nothing_yet(), CANT_TELL, "nothing to compare yet (0 of 500 units against 0"),
        (TWICE, arms([], interval(0.0, "inf", None, 1.0)), CANT_TELL, "nothing to compare yet"),
        (TWICE, alike(baseline_arm=None), CANT_TELL, "no incumbent serves beside the candidate"),
        # A bound that is touched is not cleared.
        ({"ratio_at_most": 1.930951}, alike(), CANT_TELL, "too early to tell"),
        (TWICE, alike(running={"lo": 0.4, "hi": 1.5}), PASS, "range 0.518..1.5;"),
        (TWICE, alike(running={"lo": 0.4, "hi": 9.0}), PASS, "range 0.518..1.93;"),
        ({"ratio_at_most": 1.6}, alike(running={"lo": 0.4, "hi": 1.5}), PASS, "within the 1.6x"),
        (TWICE, alike(running={"lo": 2.5, "hi": 9.0}), ERROR, "the looks so far contradict each"),
        (
            TWICE,
            alike(split={"counts": [2000, 2300], "expected_share": [0.5, 0.5]}),
            ERROR,
            "traffic split is 46.5 / 53.5 where 50 / 50 was set (p below 0.0001): numbers not used",
        ),
        (
            TWICE,
            harmed(split={"counts": [1000, 100], "expected_share": [0.5, 0.5]}),
            ERROR,
            "traffic split is 90.9 / 9.1",
        ),
        (TWICE, alike(split={"counts": [0, 0], "expected_share": [0.5, 0.5]}), ERROR, "judged"),
        (TWICE, alike(split={"counts": [1, 1], "expected_share": [0.5, 0.6]}), ERROR, "make 1"),
        (TWICE, alike(unit="partner"), PASS, "within the 2x limit"),
        (TWICE, alike(unit="partner", n_partners=4), CANT_TELL, "4 partners, each wholly on one"),
        (TWICE, harmed(unit="partner", n_partners=1), CANT_TELL, "1 partner, each wholly on one"),
        (TWICE, alike(unit="request"), ERROR, "counted per request, but asked per unit"),
        ({**TWICE, "per": "request"}, alike(unit="request"), PASS, "of 2,000 requests against"),
        (TWICE, alike(unit="conversation"), ERROR, "which is unknown"),
        (TWICE, alike(since=LATER), ERROR, "is not a time that has passed"),
        (TWICE, alike(until=LATER), ERROR, "is not a time that has passed"),
        (TWICE, alike(strata=[[3, 2, 0, 9]]), ERROR, "more events than units"),
        (TWICE, alike(strata=[[3, 20, 0]]), ERROR, "not 4 counts"),
        # Units of late strata stand in the strata of their own batches too.
        (TWICE, alike(again=[20, 10]), PASS, "40 of 1,990 units against 40 of 1,980 on rc-1"),
        (TWICE, alike(again=[0, 1901]), CANT_TELL, "99 units in the candidate arm, 100 needed"),
        (TWICE, alike(again=[0, 1990]), ERROR, "more than the strata hold"),
        (TWICE, alike(again=[0]), ERROR, "not 2 counts"),
        (TWICE, alike(strata=[]), ERROR, "no stratum tells the arms apart"),
        (TWICE, alike(interval=interval(0.5, 1.9, 2.5)), ERROR, "2.5 lies outside 0.5..1.9"),
        (TWICE, alike(interval=interval(0.5, 1.9, None)), ERROR, "estimate is None"),
        (TWICE, alike(interval=interval(None, None)), ERROR, "0..inf when nothing is known"),
        (TWICE, alike(interval=interval(-0.1, 1.9)), ERROR, "is no interval"),
        (TWICE, alike(interval=interval(0.5, 1.9, p=1.5)), ERROR, "not a probability"),
        (TWICE, alike(interval=interval(math.nan, 1.9)), ERROR, "NaN"),
    ],
)
def test_error_rate_against_the_incumbent(
    options: dict[str, Any], observed: Any, outcome: Outcome, words: str
) -> None:
    verdict = judged("error_rate", options, observed)
    assert (verdict.outcome, words in verdict.sentence) == (outcome, True), verdict.sentence


@pytest.mark.parametrize(
    ("options", "observed", "outcome", "words"),
    [
        ({}, rate(20, 4000, 0.00164, 0.01126), PASS, "0.5% (95% anytime range 0.164..1.13; 20 of"),
        ({}, rate(200, 4000, 0.036, 0.067), FAIL, "beyond the limit of 2%: blocks"),
        ({}, rate(15, 60, 0.0247, 0.676), FAIL, "25% (95% anytime range 2.47..67.6; 15 of 60"),
        ({}, rate(70, 4000, 0.0122, 0.0241), CANT_TELL, "more units, "),
        ({}, rate(80, 4000, 0.0122, 0.0241), CANT_TELL, "won't settle here"),
        ({}, rate(0, 60, 0.0, 0.0199), CANT_TELL, "100 units needed before anything passes; 40"),
        ({}, rate(0, 0, 0.0, 1.0), CANT_TELL, "none of 0 units yet, 100 units needed"),
        ({}, rate(0, 0, 0.0, 0.01), ERROR, "without a unit it is 0..1"),
        ({}, rate(20, 4000, 0.01, 0.0113), ERROR, "lies outside"),
        ({}, rate(20, 4000, 0.00164, 0.02), CANT_TELL, "too early to tell against the limit of 2%"),
        ({}, rate(20, 4000, 0.00164, 0.01126, 0.03), ERROR, "is tuned for 0.03 at 4000 units"),
        ({"expected_units": 900}, rate(20, 4000, 0.0016, 0.0113), ERROR, "the gate says 0.02 at"),
        ({}, rate(200, 4000, 0.036, 0.067, unit="partner", n_partners=2), CANT_TELL, "2 partners"),
        ({}, rate(9, 3, 0.0, 1.0), ERROR, "9 events in 3 units"),
        (
            {},
            rate(20, 4000, 0.00164, 0.01126, running={"lo": 0.02, "hi": 0.03}),
            ERROR,
            "contradict each other",
        ),
    ],
)
def test_error_rate_against_a_limit(
    options: dict[str, Any], observed: Any, outcome: Outcome, words: str
) -> None:
    verdict = judged("error_rate", {"at_most": 0.02, **options}, observed)
    assert (verdict.outcome, words in verdict.sentence) == (outcome, True), verdict.sentence


def test_a_margin_in_points_is_judged_as_odds_and_shown_as_rates() -> None:
    options = {"margin": 0.03, "reference_rate": 0.02}
    assert odds_limit(options) == pytest.approx(0.05 / 0.95 / (0.02 / 0.98))
    verdict = judged("error_rate", options, alike())
    # Odds of 1.93 are 0.0379 of all at a reference rate of 0.02: 1.9 times as many.
    assert "range 0.523..1.9;" in verdict.sentence
    assert "within the 2.5x limit" in verdict.sentence


def test_a_limit_beyond_every_rate_is_an_error() -> None:
    options = {"ratio_at_most": 2.0, "reference_rate": 0.6}
    verdict = judged("error_rate", options, alike())
    assert (verdict.outcome, "outside 0..1" in verdict.sentence) == (ERROR, True)


@pytest.mark.parametrize(
    ("counts", "shares", "p"),
    [
        ((4880, 5120), (0.5, 0.5), 0.0163951),
        ((0, 0), (0.5, 0.5), 1.0),
        ((100, 0), (0.99, 0.01), 0.735759),
        ((90, 10), (0.99, 0.01), 2.2e-7),
        ((900, 600), (0.999, 0.001), 0.0),
    ],
)
def test_the_split_of_traffic(
    counts: tuple[int, int], shares: tuple[float, float], p: float
) -> None:
    assert split_p(counts, shares) == pytest.approx(p, abs=1e-6)


PER_1000 = {"counts": "confirmed_findings", "at_most_per_1000": 1.5}
FINDINGS = {"counts": "confirmed_findings", "ratio_at_most": 2.0}


@pytest.mark.parametrize(
    ("options", "observed", "outcome", "words"),
    [
        ({"counts": "thumbs_down", **TWICE}, alike(), PASS, "thumbs-down: 1x the incumbent's"),
        ({"counts": "thumbs_down", **TWICE}, harmed(), FAIL, "beyond the 2x limit"),
        (
            {"counts": "thumbs_down", "at_most": 0.02},
            rate(20, 4000, 0.00164, 0.01126),
            PASS,
            "thumbs-down: 0.5%",
        ),
        (
            FINDINGS,
            findings((20, 20000, 20, 20000), 0.510615, 1.958424, 1.0),
            PASS,
            "confirmed findings: 1x the incumbent's (95% CI 0.511..1.96; 20 in 20,000 requests "
            "against 20 in 20,000 on rc-1), within the 2x limit: passes.",
        ),
        (
            {**FINDINGS, "ratio_at_most": 1.25},
            findings((14, 5000, 20, 20000), 1.308354, 5.828748, 2.8),
            FAIL,
            "beyond the 1.25x limit: blocks",
        ),
        (
            FINDINGS,
            findings((14, 5000, 20, 20000), 1.308354, 5.828748, 2.8),
            CANT_TELL,
            "worse, and not settled",
        ),
        (
            FINDINGS,
            findings((60, 800, 10, 800), 3.047465, 13.146182, 6.0),
            FAIL,
            "beyond the 2x limit",
        ),
        (
            FINDINGS,
            findings((20, 800, 20, 800), 0.510615, 1.958424, 1.0),
            CANT_TELL,
            "1,000 needed in each arm before anything passes; 200 more, 24 hours at this traffic",
        ),
        (
            FINDINGS,
            findings((20, 20000, 20, 20000), 0.510615, 1.958424, 1.0, dispersion=2.25),
            CANT_TELL,
            "(95% CI 0.365..2.74; ",
        ),
        (
            FINDINGS,
            findings((3, 1000, 0, 4000), 1.65293, "inf", "inf", dispersion=3.0),
            CANT_TELL,
            "reports come in bursts",
        ),
        (
            FINDINGS,
            findings((0, 3000, 0, 3000), 0.0, "inf", None),
            CANT_TELL,
            "none on either arm, at most 1.23 per 1,000 here and 1.23 there (95% CI)",
        ),
        (
            FINDINGS,
            findings((0, 0, 0, 3000), None, None, None),
            CANT_TELL,
            "0 in 0 requests, 1,000 needed in each arm",
        ),
        (FINDINGS, findings((2, 0, 2, 3000), None, None, None), ERROR, "without a request"),
        (
            FINDINGS,
            findings((20, 20000, 20, 20000), 0.51, 1.95, 1.2),
            ERROR,
            "counts say 1",
        ),
        (
            FINDINGS,
            findings((20, 20000, 20, 20000), 0.51, 1.95, 1.0, baseline_arm=None),
            CANT_TELL,
            "no incumbent serves",
        ),
        (
            PER_1000,
            findings((7, 12000, 0, 0), 0.23453, 1.20189, 7 / 12),
            PASS,
            "0.583 per 1,000 requests (95% CI 0.235..1.2; 7 in 12,000), within the limit of 1.5",
        ),
        (
            {**PER_1000, "at_most_per_1000": 1.0},
            findings((7, 12000, 0, 0), 0.23453, 1.20189, 7 / 12),
            CANT_TELL,
            "more requests, ",
        ),
        (
            {**PER_1000, "at_most_per_1000": 0.2},
            findings((7, 12000, 0, 0), 0.23453, 1.20189, 7 / 12),
            FAIL,
            "beyond the limit of 0.2 per 1,000",
        ),
        (
            PER_1000,
            findings((0, 3000, 0, 0), 0.0, 1.22963, 0.0),
            PASS,
            "0 per 1,000 requests (95% CI 0..1.23; 0 in 3,000)",
        ),
        (
            PER_1000,
            findings((0, 900, 0, 0), 0.0, 4.1, 0.0),
            CANT_TELL,
            "0 in 900 requests, 1,000 needed before anything passes; 100 more, 11 hours",
        ),
    ],
)
def test_feedback_rate(
    options: dict[str, Any], observed: Any, outcome: Outcome, words: str
) -> None:
    verdict = judged("feedback_rate", options, observed)
    assert (verdict.outcome, words in verdict.sentence) == (outcome, True), verdict.sentence


FASTER = arms([[100, 2000, 60, 2000]], interval(0.39, 0.87, 0.59))
SLOWER = arms([[100, 2000, 220, 2000]], interval(1.68, 3.2, 2.35))
AS_FAST = arms([[100, 2000, 96, 2000]], interval(0.62, 1.5, 0.96))


@pytest.mark.parametrize(
    ("options", "observed", "outcome", "words"),
    [
        (
            {"ratio_at_most": 1.1},
            slow(FASTER),
            PASS,
            "latency p95: slow 0.59x as often as the incumbent so far (95% anytime range "
            "0.39..0.87; "
            "60 of 2,000 units against 100 of 2,000 on rc-1; slower than 880 ms against 800 ms; "
            "p50 310..330 ms, p95 760..845 ms, p99 at least 1,400 ms), better than the incumbent, "
            "within the limit of 1.1x the incumbent's: passes.",
        ),
        ({"ratio_at_most": 1.1}, slow(SLOWER), FAIL, "beyond"),
        ({"ratio_at_most": 1.1}, slow(AS_FAST), CANT_TELL, "won't settle here"),
        (
            {"ratio_at_most": 1.1, "quantile": 0.5},
            slow(FASTER, quantiles=None),
            PASS,
            "p50: slow 0.59x",
        ),
        (
            {"at_most_ms": 900},
            slow(rate(60, 4000, 0.011, 0.021, 0.05), 900),
            PASS,
            "latency p95: 1.5% (95% anytime range 1.1..2.1; 60 of 4,000 units slower; p50",
        ),
        (
            {"at_most_ms": 900},
            slow(rate(360, 4000, 0.07, 0.11, 0.05), 900),
            FAIL,
            "beyond the limit of 5% slower than 900 ms: blocks",
        ),
        (
            {"at_most_ms": 900},
            slow(rate(60, 4000, 0.011, 0.021, 0.05)),
            ERROR,
            "slower than 800 ms counted, asked 900 ms",
        ),
        ({"ratio_at_most": 1.1}, slow(FASTER, 0.0), ERROR, "not above 0"),
        ({"ratio_at_most": 1.1}, slow(FASTER, quantiles={"p50": [9]}), ERROR, "not two numbers"),
        ({"ratio_at_most": 1.1}, slow(FASTER, quantiles={"p50": [9, 8]}), ERROR, "p50 is 9..8"),
        ({"ratio_at_most": 1.1}, FASTER, ERROR, "threshold_ms"),
    ],
)
def test_latency(options: dict[str, Any], observed: Any, outcome: Outcome, words: str) -> None:
    verdict = judged("latency", options, observed)
    assert (verdict.outcome, words in verdict.sentence) == (outcome, True), verdict.sentence


CHEAP = {"ratio_at_most": 1.1}


@pytest.mark.parametrize(
    ("options", "observed", "outcome", "words"),
    [
        (
            CHEAP,
            costs(0.0, 0.048),
            PASS,
            "cost: 1x the incumbent's so far (95% anytime range 0.953..1.05; geometric mean, 2,000 "
            "units against 2,000), within the 1.1x limit: passes.",
        ),
        (CHEAP, costs(-0.2, 0.048), PASS, "better than the incumbent"),
        (CHEAP, costs(0.8, 0.048), FAIL, "2.23x the incumbent's so far (95% anytime range 2.12.."),
        (CHEAP, costs(0.09, 0.048), CANT_TELL, "worse, and not settled against the 1.1x limit; "),
        ({**CHEAP, "block_on": "worse"}, costs(0.09, 0.048), FAIL, "worse"),
        (
            CHEAP,
            costs(0.05, 0.06),
            CANT_TELL,
            "about 4,000 more units, 4 days at this traffic: holds",
        ),
        (CHEAP, costs(0.0, 0.01, n=99), CANT_TELL, "99 units in the candidate arm, 100 needed"),
        ({**CHEAP, "min_units": 2500}, costs(0.8, 0.048), FAIL, "beyond"),
        ({**CHEAP, "min_units": 2500}, costs(0.0, 0.048), CANT_TELL, "2,500 needed"),
        (CHEAP, costs(0.0, 0.048, baseline_arm=None), CANT_TELL, "no incumbent serves"),
        (CHEAP, costs(0.0, 0.048, n_opt=10), ERROR, "tuned for 10 units"),
        (CHEAP, costs(0.0, 0.048, mean1=6.0), ERROR, "the means say -0.6"),
        (CHEAP, costs(0.0, 0.048, sd1=-1.0), ERROR, "below 0"),
        (CHEAP, costs(0.0, 0.048, interval=interval(None, None, None)), ERROR, "nothing from"),
        (
            CHEAP,
            costs(0.0, 0.048, split={"counts": [2000, 2400], "expected_share": [0.5, 0.5]}),
            ERROR,
            "traffic split",
        ),
        (
            {"at_most_micros": 120},
            money(100.0, 2.4),
            PASS,
            "cost: 100 micros a request so far (95% anytime range 97.6..102; 4,000 units), "
            "within the limit of 120 micros: passes.",
        ),
        ({"at_most_micros": 90}, money(100.0, 2.4), FAIL, "beyond the limit of 90 micros"),
        ({"at_most_micros": 101}, money(100.0, 2.4), CANT_TELL, "too early to tell"),
        ({"at_most_micros": 120}, money(100.0, 2.4, n=299), CANT_TELL, "299 units, 300 needed"),
        ({"at_most_micros": 120}, money(100.0, 2.4, unit="partner", n_partners=3), CANT_TELL, "3"),
    ],
)
def test_cost(options: dict[str, Any], observed: Any, outcome: Outcome, words: str) -> None:
    verdict = judged("cost", options, observed)
    assert (verdict.outcome, words in verdict.sentence) == (outcome, True), verdict.sentence


def test_how_long_the_rest_takes_is_said_only_where_it_is_known() -> None:
    verdict = judged("error_rate", TWICE, early(until=None))
    assert verdict.sentence.endswith("about 59 more events: holds.")
