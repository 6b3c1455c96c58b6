import subprocess
import sys

import pytest

from releases.statistics.verdicts import Verdict
from releases.statistics.wording import (
    ComparedFacts,
    about,
    comparison_sentence,
    mean_sentence,
    points,
    slices_sentence,
)


def facts(verdict, delta, lo, hi, **changes):
    values = {"name": "columns", "n": 412, "n_clusters": 412, "margin": 0.02, **changes}
    return ComparedFacts(verdict=verdict, delta=delta, lo=lo, hi=hi, **values)


@pytest.mark.parametrize(
    "given, sentence",
    [
        (
            facts(Verdict.REGRESSION, -0.073, -0.1, -0.05),
            "columns: -7.3 pts (95% CI -10.0..-5.0, 412 cases), "
            "regression beyond the 2-pt margin: blocks",
        ),
        (
            facts(Verdict.WORSE, -0.041, -0.063, -0.019),
            "columns: -4.1 pts (95% CI -6.3..-1.9, 412 cases), "
            "worse, and probably but not surely beyond the 2-pt margin: holds",
        ),
        (
            facts(Verdict.WORSE, -0.015, -0.029, -0.001),
            "columns: -1.5 pts (95% CI -2.9..-0.1, 412 cases), "
            "worse, and possibly beyond the 2-pt margin: holds",
        ),
        (
            facts(Verdict.NON_INFERIOR, 0.004, -0.011, 0.019),
            "columns: +0.4 pts (95% CI -1.1..+1.9, 412 cases), "
            "no worse than the baseline by the 2-pt margin: passes",
        ),
        (
            facts(Verdict.NON_INFERIOR, -0.011, -0.018, -0.004, margin=0.025),
            "columns: -1.1 pts (95% CI -1.8..-0.4, 412 cases), "
            "slightly worse but inside the 2.5-pt margin: passes",
        ),
        (
            facts(Verdict.BETTER, 0.05, 0.01, 0.09, confidence=0.9),
            "columns: +5.0 pts (90% CI +1.0..+9.0, 412 cases), better than the baseline: passes",
        ),
        (
            facts(Verdict.INCONCLUSIVE, -0.008, -0.032, 0.015, n=600, cases_to_settle=4706),
            "columns: -0.8 pts (95% CI -3.2..+1.5), "
            "can't tell at 600 cases; about 4,700 would settle it: holds",
        ),
        (
            facts(Verdict.INCONCLUSIVE, -0.02, -0.04, 0.001, is_hopeless=True),
            "columns: -2.0 pts (95% CI -4.0..+0.1), can't tell at 412 cases; "
            "won't settle here: holds",
        ),
        (
            facts(Verdict.INCONCLUSIVE, 0.05, 0.01, 0.09, doubt="30 missing cases of 442 (6.8%)"),
            "columns: +5.0 pts (95% CI +1.0..+9.0), can't tell at 412 cases: "
            "30 missing cases of 442 (6.8%): holds",
        ),
        (
            facts(Verdict.INSUFFICIENT, None, None, None, name="legal", n=8, n_clusters=8),
            "legal: 8 cases, too few to judge",
        ),
        (
            facts(Verdict.INSUFFICIENT, 0.1, 0.0, 0.2, name="legal", n=40, n_clusters=3),
            "legal: 40 cases in 3 clusters, too few to judge",
        ),
        (
            facts(Verdict.INVALID, 0.1, 0, 0.2, doubt="only 70 of 100 cases are in both runs"),
            "columns: only 70 of 100 cases are in both runs: numbers not used",
        ),
    ],
)
def test_each_verdict_has_its_sentence(given, sentence):
    assert comparison_sentence(given) == sentence


def test_a_rule_may_block_on_worse():
    worse = facts(Verdict.WORSE, -0.041, -0.063, -0.019)
    assert comparison_sentence(worse, "blocks").endswith("beyond the 2-pt margin: blocks")


def test_a_verdict_without_its_interval_is_refused():
    with pytest.raises(ValueError, match="^lo: "):
        comparison_sentence(facts(Verdict.BETTER, 0.1, None, None))


@pytest.mark.parametrize(
    "value, shown", [(0.0004, "0.0"), (-0.0004, "0.0"), (0.0005001, "+0.1"), (-0.1, "-10.0")]
)
def test_points_carry_a_sign_unless_zero(value, shown):
    assert points(value) == shown


@pytest.mark.parametrize("n, shown", [(7, "7"), (96, "96"), (4706, "4,700"), (123456, "120,000")])
def test_needed_cases_are_rounded_to_two_digits(n, shown):
    assert about(n) == shown


def test_slices_are_summed_up():
    assert slices_sentence(12, 1, 0) == (
        "12 slices checked together (Holm): 1 regression, 0 more called worse"
    )


def test_a_mean_has_its_interval_or_says_why_not():
    assert mean_sentence("sql", 0.7123, 0.601, 0.803, 60) == (
        "sql: 71.2% (95% CI 60.1..80.3, 60 cases)"
    )
    assert mean_sentence("sql", 0.5, None, None, 1) == (
        "sql: 50.0% (1 case, too few for an interval)"
    )


def test_wording_and_verdicts_load_without_numpy():
    code = (
        "import sys, releases.statistics.wording, releases.statistics.verdicts;"
        "sys.exit('numpy' in sys.modules or 'scipy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
