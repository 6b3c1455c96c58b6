"""Gates on what people did and said: exposure, findings, blind votes, replayed conversations."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from releases.states import Outcome
from tests.releases.gates.live_shapes import exposed, finding, found, mode, votes
from tests.releases.gates.shapes import NOW, judged

PASS, FAIL = Outcome.PASS, Outcome.FAIL
CANT_TELL, ERROR = Outcome.INCONCLUSIVE, Outcome.ERROR
ALL = {"partners": 3, "days": 4, "requests": 10000, "largest_share": 0.5}


@pytest.mark.parametrize(
    ("options", "observed", "outcome", "words"),
    [
        (
            ALL,
            exposed(),
            PASS,
            "3 partners made 10,000 requests on 4 days since 2026-02-26 09:00 UTC: enough.",
        ),
        ({"partners": 5}, exposed(), CANT_TELL, "still needed: 2 more partners."),
        ({"days": 7}, exposed(), CANT_TELL, "still needed: 3 more days with a request."),
        (
            {"requests": 20000},
            exposed(),
            CANT_TELL,
            "still needed: 10,000 more requests, about 4 days at this traffic.",
        ),
        (
            {"partners": 1, "largest_share": 0.4},
            exposed({"acme": 4000, "globex": 6000}),
            CANT_TELL,
            "globex made 60%, at most 40% may be of one partner: about 5,000 more requests by",
        ),
        ({"partners": 1, "largest_share": 0.4}, exposed(), PASS, "enough"),
        (
            {**ALL, "partners": 4, "days": 5},
            exposed(),
            CANT_TELL,
            "1 more partner; 1 more day with a request.",
        ),
        (ALL, exposed({}, 0), CANT_TELL, "0 partners made 0 requests on 0 days"),
        (ALL, exposed({}, 0, first_at=None, last_at=None), CANT_TELL, "10,000 more requests."),
        (ALL, exposed({}, 4), ERROR, "4 days without a request"),
        (ALL, exposed(n_requests=10001), ERROR, "n_requests is 10001"),
        (ALL, exposed(days=9), ERROR, "9 days with a request, from"),
        (ALL, exposed(days=None), ERROR, "days is None"),
        (ALL, exposed({"acme": 0}, 0), ERROR, "without a request"),
        (ALL, exposed(last_at=(NOW + timedelta(days=1)).isoformat()), ERROR, "not in order"),
        (ALL, exposed(since=NOW.isoformat()), ERROR, "not in order"),
        (ALL, exposed(n_requests=math.inf), ERROR, "n_requests is inf"),
    ],
)
def test_exposure(options: dict[str, Any], observed: Any, outcome: Outcome, words: str) -> None:
    verdict = judged("exposure", options, observed)
    assert (verdict.outcome, words in verdict.sentence) == (outcome, True), verdict.sentence


@pytest.mark.parametrize(
    ("options", "hours_since_last", "clears_at"),
    [
        ({"days": 6}, 0, datetime(2026, 3, 4, tzinfo=UTC)),
        # Today had no request yet, so it still counts.
        ({"days": 6}, 10, datetime(2026, 3, 3, tzinfo=UTC)),
        ({"days": 5}, 10, None),
        ({"days": 6, "partners": 9}, 0, None),
        ({"days": 4}, 0, None),
    ],
)
def test_exposure_clears_when_days_alone_are_missing(
    options: dict[str, Any], hours_since_last: int, clears_at: datetime | None
) -> None:
    last = (NOW - timedelta(hours=hours_since_last)).isoformat()
    assert judged("exposure", options, exposed(last_at=last)).clears_at == clears_at


UNCONFIRMED = finding("critical", reporter="acme")
MAJOR = {"none_open_at_or_above": "major"}


@pytest.mark.parametrize(
    ("observed", "outcome", "words"),
    [
        (found(), PASS, "No finding of severity major or above is open."),
        (found(open=[finding("minor")]), PASS, "No finding"),
        (
            found(open=[finding(), finding("critical", title="Leaks")]),
            FAIL,
            "2 open: “Leaks” (critical), “Wrong column” (major).",
        ),
        (found(open=[finding()] * 7), FAIL, "and 2 more."),
        (found(open=[finding(unconfirmed=True)]), CANT_TELL, "proposed and not looked at"),
        (found(closed_by_owner=[finding(closed_by="Ann")]), FAIL, "own owner; somebody else"),
        (found(closed_by_owner=[finding("minor", closed_by="Ann")]), PASS, "No finding"),
        (found(unconfirmed=[UNCONFIRMED]), CANT_TELL, "reporter has not confirmed that it is"),
        (
            found(open=[finding()], unconfirmed=[UNCONFIRMED]),
            FAIL,
            "1 open: “Wrong column” (major); 1 closed, and the reporter",
        ),
        (found(open=[finding("huge")]), ERROR, "severity is 'huge'"),
        (found(open=[finding(unconfirmed=None)]), ERROR, "unconfirmed is None"),
        (found(open=[finding(title="")]), ERROR, "title"),
        (found(open=None), ERROR, "open is None"),
        (found(open=["f1"]), ERROR, "not an object"),
        ({"open": []}, ERROR, "closed_by_owner is None"),
    ],
)
def test_open_findings(observed: Any, outcome: Outcome, words: str) -> None:
    verdict = judged("open_findings", MAJOR, observed)
    assert (verdict.outcome, words in verdict.sentence) == (outcome, True), verdict.sentence


def test_a_finding_that_its_reporter_has_to_confirm_waits_for_the_reporter() -> None:
    assert judged("open_findings", MAJOR, found(unconfirmed=[UNCONFIRMED])).owner == "acme"


BASE = {"baseline": {"stage": "production"}}
STYLE = {"score": 0.52, "lo": 0.49, "hi": 0.55}
BT = {"method": "bradley_terry"}


@pytest.mark.parametrize(
    ("options", "observed", "outcome", "words"),
    [
        (
            {},
            votes(0.539474, 0.507943, 0.571005),
            PASS,
            "preferred in 53.9% of 760 blind votes (95% CI 50.8..57.1), +27 Elo; better than the "
            "baseline: passes.",
        ),
        ({}, votes(0.504, 0.481, 0.527), PASS, "no preference either way, inside 3 points: passes"),
        ({}, votes(0.51, 0.475, 0.545), PASS, "no worse than the baseline by 3 points: passes"),
        ({}, votes(0.42, 0.4, 0.46), FAIL, "worse than the baseline by more than 3 points: blocks"),
        ({}, votes(0.47, 0.45, 0.49), CANT_TELL, "worse, and not settled against 3 points"),
        ({"block_on": "worse"}, votes(0.47, 0.45, 0.49), FAIL, "blocks"),
        (
            {},
            votes(0.539474, 0.437685, 0.641262),
            CANT_TELL,
            "can't tell; about 840 votes in all would settle it: holds",
        ),
        ({}, votes(0.47, 0.4, 0.54), CANT_TELL, "can't tell; won't settle here: holds"),
        (
            {"prove": "better"},
            votes(0.504, 0.481, 0.527),
            CANT_TELL,
            "inside 3 points, but not shown to be better; won't settle here: holds",
        ),
        ({"prove": "better"}, votes(0.54, 0.508, 0.57), PASS, "better than the baseline"),
        ({"margin": 0.05}, votes(0.5, 0.455, 0.545), PASS, "inside 5 points"),
        ({}, votes(0.5, 0.47, 0.53), CANT_TELL, "can't tell"),
        (
            {},
            votes(0.54, 0.508, 0.57, controlled=STYLE),
            PASS,
            "with style held equal 52% (49..55): the gain may be style alone; better",
        ),
        (
            {"style_controlled": True, "prove": "better"},
            votes(0.54, 0.508, 0.57, controlled=STYLE),
            CANT_TELL,
            "not shown to be better",
        ),
        ({"style_controlled": True}, votes(0.54, 0.508, 0.57), ERROR, "controlled is None"),
        ({}, votes(0.54, 0.508, 0.57, tie_share=0.7), PASS, "70% were ties"),
        (
            {},
            votes(0.54, 0.508, 0.57, n_votes=29, n_raters=3),
            CANT_TELL,
            "29 blind votes of 3 raters, too few to judge: 1 more vote and 2 more raters needed",
        ),
        ({"min_votes": 1000}, votes(0.54, 0.508, 0.57), CANT_TELL, "240 more votes needed"),
        (
            BT,
            votes(0.2, 0.05, 0.35, **BT),
            PASS,
            "preferred in 55% of 760 blind votes (95% CI 51.2..58.7), +35 Elo; better",
        ),
        (BT, votes("inf", -1.0, "inf", **BT), ERROR, "not a number"),
        ({}, votes(0.2, 0.05, 0.35, **BT), ERROR, "method is 'bradley_terry'"),
        (BT, votes(0.2, 0.05, 0.35), ERROR, "the gate asks for bradley_terry"),
        ({}, votes(0.54, 0.56, 0.57), ERROR, "no interval of a win score"),
        ({}, votes(1.54, 0.5, 2.57), ERROR, "no interval of a win score"),
        ({}, votes(0.54, None, 0.57), ERROR, "lo is None"),
        ({}, votes(0.54, 0.508, math.inf), ERROR, "hi is inf"),
        ({}, votes(0.54, 0.508, 0.57, tie_share=1.4), ERROR, "ties"),
        ({}, votes(0.54, 0.508, 0.57, n_raters=761), ERROR, "761 raters"),
    ],
)
def test_preference(options: dict[str, Any], observed: Any, outcome: Outcome, words: str) -> None:
    verdict = judged("preference", {**BASE, **options}, observed)
    assert (verdict.outcome, words in verdict.sentence) == (outcome, True), verdict.sentence


def modes(*rows: Any) -> dict[str, Any]:
    return {"modes": list(rows)}


@pytest.mark.parametrize(
    ("options", "observed", "outcome", "words"),
    [
        (
            {"at_most": 0.03},
            modes(mode()),
            PASS,
            "refuses: predicted in 1% of conversations (95% CI 0.4..2, 600 replayed), limit 3%: "
            "within the limit: passes.",
        ),
        ({"at_most": 0.003}, modes(mode()), FAIL, "beyond the limit: blocks"),
        ({"at_most": 0.015}, modes(mode()), CANT_TELL, "about 2,400 conversations in all would"),
        ({"at_most": 0.02}, modes(mode()), CANT_TELL, "can't tell"),
        ({"at_most": 0.01}, modes(mode()), CANT_TELL, "won't settle here"),
        ({"at_most": 0.03}, modes(mode(n=99)), CANT_TELL, "1 more conversation needed"),
        ({"at_most": 0.03}, modes(mode(), mode("loops", 0.2, 0.1, 0.3)), FAIL, "loops: predicted"),
        (
            {"at_most": 0.03, "modes": {"loops": 0.5}},
            modes(mode(), mode("loops", 0.2, 0.1, 0.3)),
            PASS,
            "limit 50%: within",
        ),
        ({"modes": {"refuses": 0.03}}, modes(mode(), mode("loops", 0.9, 0.8, 1.0)), PASS, "refus"),
        ({"modes": {"loops": 0.03}}, modes(mode()), ERROR, "'loops' was not replayed; replayed:"),
        ({"at_most": 0.03}, modes(), ERROR, "any mode was not replayed; replayed: none"),
        ({"at_most": 0.03}, modes(mode(), mode()), ERROR, "there twice"),
        ({"at_most": 0.03}, modes(mode(hi=None)), ERROR, "hi is None"),
        ({"at_most": 0.03}, modes(mode(rate=0.03)), ERROR, "no interval of rates"),
    ],
)
def test_replay(options: dict[str, Any], observed: Any, outcome: Outcome, words: str) -> None:
    verdict = judged("replay", options, observed)
    assert (verdict.outcome, words in verdict.sentence) == (outcome, True), verdict.sentence
