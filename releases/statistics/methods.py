"""The methods that `python -m releases.statistics` offers, by name; nothing loads until called."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PACKAGE = "releases.statistics"


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method: JSON fields in, JSON fields out."""

    module: str
    """Module of this package that holds it."""
    function: str
    """Function to call with the fields as keywords."""
    needs: tuple[str, ...]
    """Fields that must be given."""
    takes: tuple[str, ...]
    """Fields that may be given; null counts as not given."""
    gives: tuple[str, ...]
    """Fields of the answer."""

    def describe(self) -> str:
        """Return `a, b? -> c` for the list of methods."""
        fields = [*self.needs, *(f"{name}?" for name in self.takes)]
        return f"{', '.join(fields)} -> {', '.join(self.gives)}"

    def call(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer's fields; raises ValueError naming the field that is wrong."""
        for name in self.needs:
            if name not in given:
                raise ValueError(f"{name}: is missing")
        for name in given:
            if name not in self.needs and name not in self.takes:
                raise ValueError(f"{name}: is not a field of this method")
        asked = {k: v for k, v in given.items() if v is not None or k in self.needs}
        function = getattr(importlib.import_module(f"{PACKAGE}.{self.module}"), self.function)
        result = function(**asked)
        return {name: getattr(result, name) for name in self.gives}


def _method(place: str, needs: str, gives: str, takes: str = "") -> Method:
    module, function = place.split(".")
    return Method(
        module=module,
        function=function,
        needs=tuple(needs.split()),
        takes=tuple(takes.split()),
        gives=tuple(gives.split()),
    )


_INTERVAL = "delta se dof lo hi p"
_SEQUENCE = "log_e p_always_valid lo hi estimate"
_ARMS = "mean1 sd1 n1 mean0 sd0 n0 n_opt"
_NOISE = "omega2 s2_candidate s2_baseline k_candidate k_baseline delta"
_MISSING = (
    "d_observed baseline_scores_where_candidate_missing "
    "candidate_scores_where_baseline_missing missing_both"
)
_LABELS = "judge_passes judged true_pos positives true_neg negatives"
_BORROWED = "judge true_pos positives true_neg negatives"
_JUDGED = "human judge judge_rest"

METHODS: dict[str, Method] = {
    "paired_delta": _method(
        "paired.paired_delta", "d", f"{_INTERVAL} verdict", "cluster margin confidence"
    ),
    "mean_score": _method("mean_score.mean_score", "scores", "mean lo hi", "cluster confidence"),
    "paired_repeats": _method(
        "paired.paired_repeats", "candidate baseline", _INTERVAL, "cluster confidence"
    ),
    "paired_binary": _method(
        "tango.paired_binary",
        "only_candidate only_baseline n margin",
        "delta lo hi p_noninferior verdict",
        "confidence",
    ),
    "compare_nodes": _method(
        "node_rows.compare_rows",
        "nodes suite_name margin",
        "nodes",
        "n_unshared confidence largest",
    ),
    "verdict": _method("verdicts.verdicts_of", "rows", "verdicts"),
    "holm": _method("multiplicity.holm", "p", "adjusted"),
    "benjamini_hochberg": _method("multiplicity.benjamini_hochberg", "p", "adjusted"),
    "variance_components": _method(
        "variance.variance_components", "candidate baseline", "s2_candidate s2_baseline omega2"
    ),
    "cases_for_superiority": _method(
        "planning.cases_for_superiority", _NOISE, "n", "design_effect"
    ),
    "cases_for_noninferiority": _method(
        "planning.cases_for_noninferiority", "margin true_delta variance", "n", "design_effect"
    ),
    "minimum_detectable_effect": _method(
        "planning.minimum_detectable_effect", "n variance design_effect", "mde"
    ),
    "missing_bounds": _method("missing.missing_bounds", _MISSING, "lo hi"),
    "odds_ratio_sequence": _method(
        "ratio_sequence.odds_ratio_sequence", "strata null_ratio", _SEQUENCE, "confidence"
    ),
    "odds_ratio_looks": _method("ratio_sequence.odds_ratio_looks", "strata", "lo hi", "confidence"),
    "rate_ratio_sequence": _method(
        "ratio_sequence.rate_ratio_sequence", "strata null_ratio", _SEQUENCE, "confidence"
    ),
    "rate_sequence": _method(
        "rate_sequence.rate_sequence", "x n p_star n_opt", "lo hi", "confidence"
    ),
    "quantile_sequence": _method(
        "rate_sequence.quantile_sequence", "values q n_opt", "lo hi", "confidence"
    ),
    "bounded_mean_sequence": _method(
        "betting_sequence.bounded_mean_sequence", "u", "lo hi", "confidence cluster largest"
    ),
    "paired_delta_sequence": _method(
        "betting_sequence.paired_delta_sequence",
        "d",
        "lo hi",
        "confidence cluster largest running",
    ),
    "mean_sequence": _method(
        "mean_sequence.mean_sequence", "mean sd n n_opt", "lo hi", "confidence"
    ),
    "mean_difference_sequence": _method(
        "mean_sequence.mean_difference_sequence", _ARMS, "lo hi p_always_valid", "confidence"
    ),
    "margin_odds": _method("margins.margin_odds", "p_ref points ratio", "from_points from_ratio"),
    "traffic_split": _method("traffic.traffic_split", "counts expected_share", "p"),
    "win_score": _method(
        "preferences.win_score", "y", "score lo hi", "rater prompt margin confidence"
    ),
    "bradley_terry": _method(
        "bradley_terry.bradley_terry",
        "i j y n_models",
        "theta se style elo",
        "cluster style pseudo_ties",
    ),
    "votes_needed": _method("votes.votes_needed", "edge tie_share", "n"),
    "elo": _method("votes.elo", "win", "elo"),
    "item_discrimination": _method("suite_items.item_discrimination", "passes", "r"),
    "live_share": _method("suite_items.live_share", "passes last", "share"),
    "score_ceiling": _method(
        "suite_items.score_ceiling", "fail_share audited mislabelled", "ceiling"
    ),
    "saturation_date": _method(
        "saturation.saturation_date", "t s se c target", "slope_per_day se_slope date lo hi"
    ),
    "contamination": _method("contamination.contamination", "d_exposed d_fresh", "gap lo hi"),
    "suite_status": _method("suite_status.suite_status", "rows", "status"),
    "cohen_kappa": _method("agreement.cohen_kappa", "table", "kappa lo hi"),
    "krippendorff_alpha": _method(
        "agreement.krippendorff_alpha", "ratings", "nominal ordinal interval"
    ),
    "ppi_mean": _method(
        "judge_correction.ppi_mean", "human judge judge_rest", "est lo hi lam", "lam"
    ),
    "rogan_gladen": _method("judge_correction.rogan_gladen", _LABELS, "est lo hi"),
    "judged_mean": _method(
        "judged.judged_mean", _JUDGED, "est lo hi se lam", "cluster cluster_rest confidence"
    ),
    "judged_delta": _method(
        "judged.judged_delta", _JUDGED, "est lo hi se lam", "cluster cluster_rest confidence"
    ),
    "borrowed_mean": _method(
        "judged.borrowed_mean", _BORROWED, "est lo hi se", "cluster confidence"
    ),
    "borrowed_delta": _method(
        "judged.borrowed_delta", _BORROWED, "est lo hi se", "cluster confidence"
    ),
    "failure_rate": _method(
        "failure_rates.failure_rate",
        "failures",
        "rate lo hi n n_clusters method blind_below",
        "cluster confidence",
    ),
    "grouped_failure_rate": _method(
        "failure_rates.grouped_failure_rate",
        "events sizes",
        "rate lo hi n n_clusters method blind_below",
        "confidence",
    ),
    "match_forecast": _method(
        "forecasts.match_forecast",
        "predicted observed n_predicted n_observed",
        "agrees inside factor",
    ),
    "forecast_ledger": _method("forecasts.forecast_ledger", "rows", "kinds", "confidence"),
    "feedback_rate": _method(
        "feedback.feedback_rate", "count requests", "rate lo hi", "confidence"
    ),
    "feedback_rate_ratio": _method(
        "feedback.feedback_rate_ratio",
        "count1 exposure1 count0 exposure0",
        "ratio lo hi p",
        "confidence",
    ),
    "dispersion": _method("feedback.dispersion", "counts exposure", "dispersion"),
    "pareto_frontier": _method("frontier.pareto_frontier", "points", "frontier"),
    "group_reports": _method("group_reports.group_reports", "reports", "labels", "by"),
}
