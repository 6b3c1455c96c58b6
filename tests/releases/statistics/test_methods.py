"""The reference numbers, through the command that reproduces any number the product shows."""

import io
import json
import subprocess
import sys

import pytest

from releases.statistics.__main__ import main
from releases.statistics.methods import METHODS

D = [0.1, -0.2, -0.3, 0, -0.1, 0.2, -0.4, -0.2, 0, -0.1, -0.3, 0.1]
STRATA = [
    [1, 109, 1, 32],
    [2, 194, 0, 6],
    [3, 125, 1, 21],
    [4, 170, 1, 42],
    [5, 121, 1, 36],
    [2, 111, 2, 37],
    [4, 186, 4, 53],
    [2, 141, 1, 19],
    [4, 142, 0, 7],
    [5, 99, 0, 5],
    [3, 110, 3, 54],
    [6, 128, 2, 56],
]
SWEEP = [[0, 100, 0, 10], [1, 100, 0, 20], [1, 90, 1, 40]]
HOURS = [[8, 2.5, 2, 0.2], [6, 3, 9, 0.4], [6, 2, 4, 1], [9, 2.2, 8, 1.5]]
EMPTY = [[0, 50, 0, 50], [0, 0, 3, 40], [5, 60, 0, 0]]
HUMAN = [float(c) for c in "101101101110110111011011110111"]
JUDGE = [0.9, 0.2, 0.8, 0.7, 0.4, 0.9, 0.6, 0.3, 0.8, 0.9, 0.7, 0.1, 0.9, 0.4, 0.2]
JUDGE += [0.8, 0.9, 0.6, 0.5, 0.7, 0.8, 0.3, 0.9, 0.9, 0.6, 0.7, 0.2, 0.8, 0.3, 0.9]
REST = [0.9, 0.8, 0.2, 0.7, 0.6, 0.3, 0.9, 0.8] * 25
SCORES = [0.4152, 0.4886, 0.5709, 0.6281, 0.6981, 0.7596, 0.8041]
ERRORS = [0.0220, 0.0224, 0.0221, 0.0216, 0.0205, 0.0191, 0.0178]
PASSES = [[int(c) for c in row] for row in "00101 10001 10101 11011 11111 11011".split()]
RATINGS = [
    [None if c == "-" else int(c) for c in row]
    for row in ("123321412-", "1233224125", "-333234225")
]


def samples(text):
    return [[int(c) for c in case] for case in text.split()]


REPEATS = {
    "candidate": samples("0101 1111 0111 00 1110 100 111 0100 1001 111 11 0001 10 01"),
    "baseline": samples("01 11 011 01 11 01 01 10 11 111 111 101 111 01"),
}


def votes(first, second, wins, losses, ties):
    return [(first, second, y) for y in [1] * wins + [0] * losses + [0.5] * ties]


LEAGUE = votes(0, 1, 12, 5, 3) + votes(0, 2, 4, 14, 2) + votes(1, 2, 3, 10, 7)
TABLE = {"i": [v[0] for v in LEAGUE], "j": [v[1] for v in LEAGUE], "y": [v[2] for v in LEAGUE]}


def trend(days, scores, errors, ceiling, target):
    return {"t": days, "s": scores, "se": errors, "c": ceiling, "target": target}


REFERENCES = [
    (
        "paired_delta",
        {"d": D, "cluster": list("AABBBCDDDDDE")},
        {"delta": -0.1, "se": 0.0643192, "dof": 2.73638, "lo": -0.316314, "hi": 0.116314},
    ),
    (
        "paired_binary",
        {"only_candidate": 9, "only_baseline": 26, "n": 180, "margin": 0.03},
        {"delta": -0.0944444, "lo": -0.161074, "hi": -0.031665, "p_noninferior": 0.977783}
        | {"verdict": "regression"},
    ),
    (
        "verdict",
        {"rows": [[-0.063, -0.021, 0.02], [-0.015, -0.002, 0.02], ["-inf", "inf", 0.02]]},
        {"verdicts": ["regression", "non_inferior", "inconclusive"]},
    ),
    (
        "paired_repeats",
        REPEATS,
        {"delta": -0.142857, "lo": -0.306763, "hi": 0.0210485},
    ),
    (
        "variance_components",
        REPEATS,
        {"s2_candidate": 0.214286, "s2_baseline": 0.261905, "omega2": 0},
    ),
    ("holm", {"p": [0.001, 0.04, 0.3]}, {"adjusted": [0.003, 0.08, 0.3]}),
    ("benjamini_hochberg", {"p": [0.001, 0.04, 0.3]}, {"adjusted": [0.003, 0.06, 0.3]}),
    (
        "cases_for_superiority",
        {"omega2": 0.111, "s2_candidate": 0.1667, "s2_baseline": 0.1667}
        | {"k_candidate": 1, "k_baseline": 1, "delta": 0.03},
        {"n": 3876},
    ),
    (
        "cases_for_noninferiority",
        {"margin": 0.02, "true_delta": 0, "variance": 0.1},
        {"n": 1963},
    ),
    (
        "minimum_detectable_effect",
        {"n": 500, "variance": 0.1, "design_effect": 1.4},
        {"mde": 0.0468795},
    ),
    (
        "missing_bounds",
        {"d_observed": [0, 0.2, -0.1, 0, 0.1, 0], "missing_both": 0}
        | {"baseline_scores_where_candidate_missing": [1]}
        | {"candidate_scores_where_baseline_missing": [0.5, 0.2]},
        {"lo": -0.233333, "hi": 0.1},
    ),
    ("mean_score", {"scores": [1] * 8 + [0] * 2}, {"mean": 0.8, "lo": 0.490162, "hi": 0.943318}),
    (
        "odds_ratio_sequence",
        {"strata": STRATA, "null_ratio": 1},
        {"log_e": 0.069124, "p_always_valid": 0.933211, "lo": 0.631085, "hi": 3.84927}
        | {"estimate": 1.63018},
    ),
    ("odds_ratio_sequence", {"strata": STRATA, "null_ratio": 1.25}, {"log_e": -0.735386}),
    (
        "odds_ratio_sequence",
        {"strata": SWEEP, "null_ratio": 1},
        {"log_e": -0.113697, "p_always_valid": 1, "lo": 0, "hi": 33.1325, "estimate": 1.43407},
    ),
    (
        "odds_ratio_sequence",
        {"strata": EMPTY, "null_ratio": 1},
        {"log_e": 0, "p_always_valid": 1, "lo": 0, "hi": "inf", "estimate": None},
    ),
    (
        "rate_ratio_sequence",
        {"strata": HOURS, "null_ratio": 1},
        {"log_e": 3.69941, "p_always_valid": 0.0247382, "lo": 1.07317, "hi": 7.29824}
        | {"estimate": 2.82692},
    ),
    (
        "rate_sequence",
        {"x": 7, "n": 600, "p_star": 0.02, "n_opt": 2000},
        {"lo": 0.00328822, "hi": 0.0282912},
    ),
    (
        "rate_sequence",
        {"x": 0, "n": 150, "p_star": 0.02, "n_opt": 2000},
        {"lo": 0, "hi": 0.0351819},
    ),
    (
        "quantile_sequence",
        {"values": list(range(400, 0, -1)), "q": 0.95, "n_opt": 1000},
        {"lo": 365, "hi": 392},
    ),
    (
        "quantile_sequence",
        {"values": list(range(1, 401)), "q": 0.5, "n_opt": 1000},
        {"lo": 169, "hi": 232},
    ),
    (
        "quantile_sequence",
        {"values": list(range(1, 41)), "q": 0.95, "n_opt": 1000},
        {"lo": 30, "hi": "inf"},
    ),
    (
        "mean_difference_sequence",
        {"mean1": 6.7, "sd1": 0.5, "n1": 300, "mean0": 6.6, "sd0": 0.5, "n0": 2700, "n_opt": 4000},
        {"lo": 0.00738923, "hi": 0.192611, "p_always_valid": 0.0258942},
    ),
    (
        "margin_odds",
        {"p_ref": 0.02, "points": 0.005, "ratio": 1.25},
        {"from_points": 1.25641, "from_ratio": 1.25641},
    ),
    ("traffic_split", {"counts": [4880, 5120], "expected_share": [0.5, 0.5]}, {"p": 0.0163951}),
    (
        "win_score",
        {"y": [1] * 33 + [0.5] * 16 + [0] * 27},
        {"score": 0.539474, "lo": 0.437685, "hi": 0.641262},
    ),
    (
        "win_score",
        {"y": [1] * 330 + [0.5] * 160 + [0] * 270},
        {"score": 0.539474, "lo": 0.507943, "hi": 0.571005},
    ),
    (
        "bradley_terry",
        {**TABLE, "n_models": 3},
        {"theta": [0, -0.372856, 0.679278], "se": [0.320409, 0.324766], "style": []},
    ),
    (
        "bradley_terry",
        {**TABLE, "n_models": 3, "pseudo_ties": 0},
        {"theta": [0, -0.394296, 0.718681]},
    ),
    ("votes_needed", {"edge": 0.05, "tie_share": 0.2}, {"n": 628}),
    ("elo", {"win": 1}, {"elo": "inf"}),
    (
        "item_discrimination",
        {"passes": PASSES},
        {"r": [0.233550, 0.727607, -0.412082, 0.727607, None]},
    ),
    ("live_share", {"passes": PASSES, "last": 3}, {"share": 0.2}),
    (
        "score_ceiling",
        {"fail_share": 0.08, "audited": 50, "mislabelled": 20},
        {"ceiling": 0.968},
    ),
    (
        "saturation_date",
        trend(list(range(0, 85, 14)), SCORES, ERRORS, 0.98, 0.95),
        {"slope_per_day": 0.0217779, "se_slope": 0.00140808, "date": 172.703}
        | {"lo": 152.914, "hi": 200.209},
    ),
    (
        "saturation_date",
        trend([0, 20, 40, 60, 80], [0.7, 0.71, 0.69, 0.7, 0.705], [0.02] * 5, 0.98, 0.95),
        {"date": None, "lo": None, "hi": None},
    ),
    (
        "contamination",
        {"d_exposed": [1] * 14 + [-1] * 2 + [0] * 44, "d_fresh": [1] * 3 + [-1] * 3 + [0] * 34},
        {"gap": 0.2, "lo": 0.0259048, "hi": 0.374095},
    ),
    (
        "suite_status",
        {
            "rows": [
                [10, 0.2, 0.03, 0.6],
                [65, 0.2, 0.03, 0.6],
                [91, 0.2, 0.03, 0.6],
                [10, 0.02, 0.03, 0.6],
                [10, 0.02, 0.03, 0.6, {"saturated_before": True}],
                [10, 0.05, 0.03, 0.6],
                [10, 0.2, 0.03, 0.08],
                [10, 0.2, 0.03, 0.2],
                [90, 0.2, 0.03, 0.6],
            ]
        },
        {"status": "fresh ageing expired saturated expired ageing saturated ageing ageing".split()},
    ),
    (
        "cohen_kappa",
        {"table": [[40, 9], [6, 25]]},
        {"kappa": 0.611902, "lo": 0.435936, "hi": 0.787868},
    ),
    ("cohen_kappa", {"table": [[40, 0], [0, 0]]}, {"kappa": None, "lo": None, "hi": None}),
    (
        "krippendorff_alpha",
        {"ratings": RATINGS},
        {"nominal": 0.675258, "ordinal": 0.804861, "interval": 0.862104},
    ),
    (
        "ppi_mean",
        {"human": HUMAN, "judge": JUDGE, "judge_rest": REST},
        {"est": 0.76, "lam": 1}
        | {"lo": pytest.approx(0.6482, abs=5e-5), "hi": pytest.approx(0.8718, abs=5e-5)},
    ),
    (
        "rogan_gladen",
        {"judge_passes": 660, "judged": 1000, "true_pos": 90, "positives": 100}
        | {"true_neg": 85, "negatives": 100},
        {"est": 0.68, "lo": 0.610111, "hi": 0.760355},
    ),
    (
        "feedback_rate",
        {"count": 7, "requests": 12000},
        {"rate": 0.583333, "lo": 0.234530, "hi": 1.20189},
    ),
    ("feedback_rate", {"count": 0, "requests": 3000}, {"rate": 0, "lo": 0, "hi": 1.22963}),
    (
        "feedback_rate_ratio",
        {"count1": 14, "exposure1": 5000, "count0": 20, "exposure0": 20000},
        {"ratio": 2.8, "lo": 1.30835, "hi": 5.82875, "p": 0.00436241},
    ),
    (
        "feedback_rate_ratio",
        {"count1": 3, "exposure1": 1000, "count0": 0, "exposure0": 4000},
        {"ratio": "inf", "lo": 1.65293, "hi": "inf", "p": 0.008},
    ),
    (
        "feedback_rate_ratio",
        {"count1": 0, "exposure1": 2000, "count0": 8, "exposure0": 9000},
        {"ratio": 0, "lo": 0, "hi": 2.63625, "p": 0.365322},
    ),
    (
        "dispersion",
        {"counts": [0, 3, 0, 5, 7, 4, 6, 2, 2, 0]}
        | {"exposure": [1.94, 0.8, 1.02, 1.29, 1.43, 1.01, 1.16, 1.44, 1.19, 0.93]},
        {"dispersion": 2.29383},
    ),
    (
        "pareto_frontier",
        {
            "points": [[0.8, 10, 900], [0.775, 2, 400], [0.78, 1.9, 380], [0.6, 0.4, 150]]
            + [[0.6, 0.4, 150]]
        },
        {"frontier": [0, 2, 3, 4]},
    ),
]


def run(method, text):
    out, err = io.StringIO(), io.StringIO()
    code = main([method], io.StringIO(text), out, err)
    return code, out.getvalue(), err.getvalue()


def same(got, expected):
    if isinstance(expected, list):
        return len(got) == len(expected) and all(map(same, got, expected))
    if isinstance(expected, int | float):
        return got == pytest.approx(expected, rel=1e-5, abs=1e-6)
    return got == expected


@pytest.mark.parametrize("method, given, expected", REFERENCES)
def test_reference_numbers(method, given, expected):
    code, out, err = run(method, json.dumps(given))
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert tuple(answer) == METHODS[method].gives
    for name, value in expected.items():
        assert same(answer[name], value), (name, answer[name], value)


@pytest.mark.parametrize(
    "u, lo, hi, digits",
    [
        ([0.5, 1, 0, 0.5, 0.5, 1, 0.5, 0.5] * 20, 0.4904, 0.6377, 5e-5),
        ([1, 0.5, 0.5, 1] * 10, 0.6091, 0.8634, 5e-5),
        ([0.5] * 200, 0.48205, 0.51795, 5e-6),
    ],
)
def test_betting_references_for_means_and_differences(u, lo, hi, digits):
    answer = json.loads(run("bounded_mean_sequence", json.dumps({"u": u}))[1])
    assert (answer["lo"], answer["hi"]) == pytest.approx((lo, hi), abs=digits)
    shifted = json.loads(run("paired_delta_sequence", json.dumps({"d": [2 * x - 1 for x in u]}))[1])
    assert (shifted["lo"], shifted["hi"]) == pytest.approx((2 * lo - 1, 2 * hi - 1), abs=2 * digits)


def test_every_method_has_a_reference():
    covered = {method for method, _, _ in REFERENCES}
    covered |= {"bounded_mean_sequence", "paired_delta_sequence"}
    assert covered == set(METHODS)


@pytest.mark.parametrize(
    "method, text, field",
    [
        ("holm", "{}", "p: is missing"),
        ("holm", '{"p": [0.1], "q": 1}', "q: "),
        ("holm", '{"p": [NaN]}', "p[0]: "),
        ("holm", '{"p": null}', "p: "),
        ("holm", '{"p": "0.1"}', "p: "),
        ("holm", '{"p": [0.1], "p": [0.2]}', "p: is given twice"),
        ("holm", "[0.1]", "input: "),
        ("holm", '{"p": ', "input: "),
        ("paired_delta", '{"d": [0.1, 1e999]}', "d[1]: "),
        ("paired_delta", '{"d": [0.1], "cluster": [["A"]]}', "cluster[0]: "),
        ("verdict", '{"rows": [[0, 0.1, 0.02], [0.2, 0.1, 0.02]]}', "rows[1]: lo"),
        ("verdict", '{"rows": [[0, 0.1]]}', "rows[0]: "),
        ("odds_ratio_sequence", '{"strata": [[5, 4, 0, 9]], "null_ratio": 1}', "strata[0]: "),
        ("rate_ratio_sequence", '{"strata": [[5, 0, 0, 9]], "null_ratio": 1}', "strata[0]: "),
        ("rate_sequence", '{"x": 3, "n": 2, "p_star": 0.1, "n_opt": 9}', "x: "),
        ("bounded_mean_sequence", '{"u": [1.5]}', "u[0]: "),
        ("traffic_split", '{"counts": [1, 2], "expected_share": [0.5, 0.4]}', "expected_share: "),
        ("win_score", '{"y": [0.7]}', "y[0]: "),
        ("bradley_terry", '{"i": [0], "j": [1], "y": [1], "n_models": 3}', "j: no chain"),
        ("suite_status", '{"rows": [[1, 0.2, 0.1, 0.5, {"old": 1}]]}', "rows[0][4]: "),
        ("suite_status", '{"rows": [[1, 0.2, 0.1, 2]]}', "rows[0]: live_share"),
        ("cohen_kappa", '{"table": [[1, 2]]}', "table[0]: "),
        ("krippendorff_alpha", '{"ratings": [[1, null], [null, 2]]}', "ratings: "),
        ("feedback_rate", '{"count": 3, "requests": 0}', "requests: "),
        ("dispersion", '{"counts": [1], "exposure": [1, 2]}', "counts: "),
        ("nothing", "{}", "METHOD: "),
    ],
)
def test_bad_input_is_one_sentence_that_names_the_field(method, text, field):
    code, out, err = run(method, text)
    assert (code, out) == (2, "")
    assert err.startswith(field)
    assert err.count("\n") == 1


def test_null_leaves_an_optional_field_out():
    assert run("mean_score", '{"scores": [1, 0], "cluster": null}')[0] == 0


def test_no_method_is_a_usage_error():
    err = io.StringIO()
    assert main([], io.StringIO(""), io.StringIO(), err) == 2
    assert "METHOD" in err.getvalue()


def test_list_names_each_method_with_its_fields():
    out = io.StringIO()
    assert main(["--list"], io.StringIO(""), out, io.StringIO()) == 0
    lines = out.getvalue().splitlines()
    assert len(lines) == len(METHODS)
    assert lines[0] == "paired_delta: d, cluster?, margin? -> delta, se, dof, lo, hi, p, verdict"


def test_the_package_runs_as_a_command():
    done = subprocess.run(
        [sys.executable, "-m", "releases.statistics", "elo"],
        input='{"win": 0.55}',
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["elo"] == pytest.approx(34.86, abs=0.01)


def test_the_table_of_methods_loads_without_numpy():
    code = "import sys, releases.statistics.methods; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
