"""A guardrail that is looked at after every batch: how often it halts a harmless candidate, and
how soon a harmful one."""

from __future__ import annotations

import math
import statistics
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from releases.gates.contract import Evidence
from releases.gates.guarding import watch
from releases.states import Watch
from releases.statistics.ratio_sequence import odds_ratio_looks, odds_ratio_sequence

NOW = datetime(2026, 3, 1, tzinfo=UTC)
BATCH = 50
OPTIONS = {"ratio_at_most": 1, "per": "request"}


def batches(rng, n_requests, rate1, rate0=0.02, share=0.5):
    """Closed batches of 50 requests: events and requests of the incumbent and the candidate."""
    rows = []
    for _ in range(n_requests // BATCH):
        n1 = int(rng.binomial(BATCH, share))
        n0 = BATCH - n1
        rows.append([int(rng.binomial(n0, rate0)), n0, int(rng.binomial(n1, rate1)), n1])
    return rows


def look(strata, share=0.5):
    """What the guardrail says when it is shown these batches."""
    found = odds_ratio_sequence(strata, 1.0)
    looks = odds_ratio_looks(strata)
    counts = [sum(row[1] for row in strata), sum(row[3] for row in strata)]
    observed = {
        "unit": "request",
        "baseline_arm": "rc-1",
        "strata": strata,
        "again": [0, 0],
        "interval": {
            "lo": found.lo,
            "hi": found.hi,
            "estimate": found.estimate,
            "p_always_valid": found.p_always_valid,
        },
        "running": {"lo": looks.lo, "hi": looks.hi},
        # The counts as they were configured: a wrong split is another simulation's matter.
        "split": {"counts": counts, "expected_share": [c / sum(counts) for c in counts]},
        "since": (NOW - timedelta(days=7)).isoformat(),
        "until": NOW.isoformat(),
        "n_partners": 3,
    }
    return watch("error_rate", OPTIONS, Evidence(observed=observed, live=True), NOW)


def harm_after(strata):
    """Requests after which harm is first seen by somebody who looks after every batch.

    Infinite when it never is. What all looks leave only ever narrows, so once harm stays harm,
    and the first look that sees it is found by halving.
    """
    if not is_harm(strata):
        return math.inf
    first, last = 1, len(strata)
    while first < last:
        middle = (first + last) // 2
        first, last = (first, middle) if is_harm(strata[:middle]) else (middle + 1, last)
    return first * BATCH


def is_harm(strata):
    seen = look(strata)
    assert seen.watch is not Watch.INVALID, seen.sentence
    assert (": stopped after" in seen.sentence) is (seen.watch is Watch.HARM)
    return seen.watch is Watch.HARM


def test_halving_finds_the_first_look_that_sees_harm():
    strata = batches(np.random.default_rng(3), 3_000, 0.1)
    found = harm_after(strata) // BATCH
    assert [is_harm(strata[: n + 1]) for n in range(found)] == [False] * (found - 1) + [True]


def test_few_releases_without_harm_are_halted_and_a_fivefold_rate_is_found():
    rng = np.random.default_rng(7)
    quiet = [harm_after(batches(rng, 5_000, 0.02)) for _ in range(40)]
    assert sum(map(math.isfinite, quiet)) <= 2
    harmful = [harm_after(batches(rng, 2_000, 0.1)) for _ in range(20)]
    assert statistics.median(harmful) <= 500


@pytest.mark.long
@pytest.mark.parametrize("share", [0.5, 0.1])
def test_of_200_releases_without_harm_at_most_10_are_halted_in_their_whole_life(share):
    rng = np.random.default_rng(11)
    halted = [harm_after(batches(rng, 10_000, 0.02, share=share)) for _ in range(200)]
    assert sum(map(math.isfinite, halted)) <= 10


# Medians and 80th percentiles as described. Those of the canary came from fewer runs: a thousand
# give 5,700 and 10,100, against 7,963 of a test of fixed size.
@pytest.mark.long
@pytest.mark.parametrize("share, median, late", [(0.5, 2_325, 3_850), (0.1, 4_950, 9_000)])
def test_a_doubled_error_rate_is_found_within_the_known_number_of_requests(share, median, late):
    rng = np.random.default_rng(13)
    found = sorted(harm_after(batches(rng, 25_000, 0.04, share=share)) for _ in range(200))
    assert found[100] <= 1.25 * median
    assert found[160] <= 1.25 * late
