"""The looks at probes whose runs may stop early, on any worker.

A run ends once a hypothesis is isolated on its checkpoint. What a look decides is a function of the
first prompts of the run's order alone, so it is the same whoever looks, and after any kill.
"""

from __future__ import annotations

from evals.models import Probe, Run
from evals.probes.analysis import analysed, isolated_after
from evals.probes.effects import Effect, Pairs
from evals.probes.wording import effect_sentence
from evals.selectors import probe_answers, probes, run_orders
from evals.selectors.probe_answers import Asked
from evals.services import early_stops
from evals.services.early_stops import Stopped
from evals.states import RunState


def look_at_probes() -> int:
    """Look once at every run of a probe that may stop early; the number that was decided."""
    return sum(
        look_at(probe, one.run)
        for probe in probes.under_way()
        if probe.may_stop_early
        for one in probe.probe_runs.select_related("run__checkpoint", "run__early_stop")
        if one.run is not None and one.run.state == RunState.RUNNING.value
    )


def look_at(probe: Probe, run: Run) -> bool:
    """Whether the run is decided by this look."""
    if hasattr(run, "early_stop"):
        return False
    asked = probe_answers.read(run, probe.repeats)
    family = probe_answers.pairs_of(probe, asked)
    n_comparisons = len(family) * probe.probe_runs.count()
    n_prompts = isolated_after(family, n_comparisons) if family else None
    if n_prompts is None:
        return False
    return early_stops.record_early_stop(
        run_id=run.pk, stopped=_stopped(probe, run, asked, n_prompts)
    )


def _stopped(probe: Probe, run: Run, asked: Asked, n_prompts: int) -> Stopped:
    units = run_orders.units_of(run)
    first = Asked(
        checkpoint=asked.checkpoint,
        tallies=asked.tallies,
        prompts=asked.prompts[:n_prompts],
        is_whole=False,
    )
    family = probe_answers.pairs_of(probe, first)
    # Every checkpoint's hypotheses count for the correction.
    everyone: list[Pairs] = family * probe.probe_runs.count()
    effects = analysed(everyone)[: len(family)]
    components = dict(probe.hypotheses.values_list("name", "component"))
    best = max(effects, key=lambda effect: effect.lo if effect.lo is not None else -1.0)
    told = effect_sentence(best, components[best.hypothesis])
    return Stopped(
        n_units=n_prompts,
        n_units_in_all=len(units),
        n_cases=sum(len(unit) for unit in units[:n_prompts]),
        nodes=[_node(effect) for effect in effects],
        sentence=f"Stopped after {n_prompts} of {len(units)} prompts: {told}",
    )


def _node(effect: Effect) -> dict[str, object]:
    verdict = "better" if effect.lo is not None and effect.lo > 0 else "inconclusive"
    return {
        "node": effect.hypothesis,
        "n": effect.n_prompts,
        "n_units": effect.n_prompts,
        "delta": effect.effect,
        "lo": effect.lo,
        "hi": effect.hi,
        "verdict": verdict,
    }
