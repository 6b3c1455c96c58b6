"""Effects of hypotheses against numbers worked out apart from the product."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evals.probes.analysis import analysed, isolated_after
from evals.probes.effects import Outcome, Pairs, Tally
from evals.probes.planning import Design, detectable_effect, power_of, seen_effect

ORIGINAL = (8, 7, 6, 5, 8, 7, 4, 6, 7, 5, 6, 8)
CHANGED = (1, 2, 3, 0, 1, 4, 2, 1, 3, 2, 0, 1)


def tallies(failed: tuple[int, ...], judged: int = 8, missing: int = 0) -> list[Tally]:
    return [Tally(failed=float(n), judged=judged, missing=missing) for n in failed]


def pairs(
    name: str = "h",
    original: tuple[int, ...] = ORIGINAL,
    changed: tuple[int, ...] = CHANGED,
    **fields: object,
) -> Pairs:
    return Pairs(
        hypothesis=name,
        checkpoint="c",
        original=tallies(original),
        changed=tallies(changed),
        **fields,  # type: ignore[arg-type]
    )


def test_the_effect_of_one_hypothesis_is_the_paired_t_interval_over_prompts() -> None:
    (found,) = analysed([pairs()], looked=False)
    d = (np.array(ORIGINAL) - np.array(CHANGED)) / 8
    interval = stats.ttest_1samp(d, 0).confidence_interval(0.95)
    assert found.effect == pytest.approx(d.mean())
    assert (found.lo, found.hi) == pytest.approx(tuple(interval))
    assert found.p == pytest.approx(stats.ttest_1samp(d, 0).pvalue)
    assert found.outcome is Outcome.ISOLATED
    assert (found.original_rate, found.changed_rate) == pytest.approx((77 / 96, 20 / 96))


def test_a_change_that_makes_it_worse_isolates_nothing() -> None:
    (found,) = analysed([pairs(original=CHANGED, changed=ORIGINAL)])
    assert found.outcome is Outcome.WORSENS
    assert found.hi is not None and found.hi < 0


def test_looks_cost_a_fifth_of_alpha() -> None:
    (looked,), (whole,) = analysed([pairs()]), analysed([pairs()], looked=False)
    assert (looked.confidence, whole.confidence) == pytest.approx((0.96, 0.95))


def test_the_same_effect_among_many_is_held_to_a_stricter_level() -> None:
    nothing = [pairs(f"n{n}", changed=ORIGINAL) for n in range(11)]
    found = analysed([pairs(), *nothing], looked=False)
    assert found[0].confidence == pytest.approx(1 - 0.05 / 12)
    assert found[0].p_holm == pytest.approx(12 * found[0].p)
    assert [e.outcome for e in found[1:]] == [Outcome.NOT_SHOWN] * 11


@given(
    st.lists(st.tuples(*[st.integers(0, 8)] * 12), min_size=1, max_size=6),
    st.booleans(),
)
def test_an_interval_excludes_nothing_exactly_when_holm_does_not_reject(
    changed: list[tuple[int, ...]], looked: bool
) -> None:
    family = [pairs(f"h{n}", changed=one) for n, one in enumerate(changed)]
    alpha = 0.04 if looked else 0.05
    for found in analysed(family, looked=looked):
        excludes = found.outcome in (Outcome.ISOLATED, Outcome.WORSENS)
        assert excludes == (found.p_holm is not None and found.p_holm < alpha)


@pytest.mark.parametrize(("n_prompts", "outcome"), [(4, "insufficient"), (5, "isolated")])
def test_fewer_than_five_prompts_say_nothing(n_prompts: int, outcome: str) -> None:
    (found,) = analysed([pairs(original=(8, 7, 8, 7, 8)[:n_prompts], changed=(0,) * n_prompts)])
    assert found.outcome.value == outcome


def test_answers_that_are_missing_widen_the_interval_and_too_many_say_nothing() -> None:
    few = Pairs(
        hypothesis="h",
        checkpoint="c",
        original=[*tallies(ORIGINAL[:-1]), Tally(failed=7, judged=7, missing=1)],
        changed=tallies(CHANGED),
    )
    (whole,), (found,) = analysed([pairs()]), analysed([few])
    assert found.lo is not None and whole.lo is not None
    assert found.lo < whole.lo
    many = Pairs(
        hypothesis="h",
        checkpoint="c",
        original=tallies(ORIGINAL, missing=1),
        changed=tallies(CHANGED),
    )
    (lost,) = analysed([many])
    assert lost.outcome is Outcome.INSUFFICIENT
    assert lost.n_missing == 12


def test_a_prompt_without_any_answer_is_as_bad_as_it_can_be() -> None:
    assert Tally(failed=0, judged=0, missing=8).rates == (0.0, 1.0)
    assert Tally(failed=0, judged=0).rates == (0.0, 1.0)


def test_a_run_that_ended_early_is_judged_by_its_running_interval_alone() -> None:
    always = Pairs(
        hypothesis="h",
        checkpoint="c",
        original=tallies((8,) * 40),
        changed=tallies((0,) * 40),
        is_whole=False,
    )
    (found,) = analysed([always])
    assert found.outcome is Outcome.ISOLATED
    assert found.p is None and found.is_running
    (short,) = analysed([pairs(is_whole=False)])
    assert short.outcome is Outcome.NOT_SHOWN


def test_the_look_that_stops_does_not_depend_on_when_it_is_taken() -> None:
    clear = {"original": (8,) * 40, "changed": (0,) * 40}
    n = isolated_after([pairs(**clear), pairs("other", (4,) * 40, (4,) * 40)], 12)
    assert n is not None
    assert 5 <= n < 40
    shorter = {name: values[:n] for name, values in clear.items()}
    assert isolated_after([pairs(**shorter)], 12) == n
    before = {name: values[: n - 1] for name, values in clear.items()}
    assert isolated_after([pairs(**before)], 12) is None


def test_what_a_design_can_see_grows_with_its_prompts() -> None:
    def seen(n_prompts: int) -> float | None:
        return detectable_effect(
            Design(n_prompts=n_prompts, repeats=8, n_hypotheses=6, n_checkpoints=2)
        )

    assert seen(4) is None
    few, many = seen(16), seen(32)
    assert few is not None and many is not None
    assert many < few < 0.4


def test_the_power_of_the_plan_is_that_of_simulated_normal_differences() -> None:
    design = Design(n_prompts=16, repeats=8, n_hypotheses=1, n_checkpoints=1, looked=False)
    rng = np.random.default_rng(3)
    noise = 0.25**2 + (0.6 * 0.4 + 0.4 * 0.6) / 8
    d = rng.normal(0.2, np.sqrt(noise), (20_000, 16))
    t = d.mean(1) / (d.std(1, ddof=1) / 4)
    share = float((t > stats.t.isf(0.025, 15)).mean())
    assert power_of(design, 0.2) == pytest.approx(share, abs=0.01)


def test_the_effect_seen_afterwards_has_80_percent_power() -> None:
    seen = seen_effect(0.08, 15, 0.99)
    assert float(stats.nct.sf(stats.t.isf(0.005, 15), 15, seen / 0.08)) == pytest.approx(0.8)
