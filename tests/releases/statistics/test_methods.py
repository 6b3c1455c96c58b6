"""The reference numbers, through the command that reproduces any number the product shows."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from releases.statistics.__main__ import main
from releases.statistics.methods import METHODS

# Each row: a method, its input, and the fields of its answer that are known independently.
REFERENCES = json.loads(Path(__file__).with_name("references.json").read_text())


def run(method, text):
    out, err = io.StringIO(), io.StringIO()
    code = main([method], io.StringIO(text), out, err)
    return code, out.getvalue(), err.getvalue()


def same(got, expected, tolerance):
    if isinstance(expected, list):
        pairs = zip(got, expected, strict=True)
        return all(same(mine, theirs, tolerance) for mine, theirs in pairs)
    if isinstance(expected, dict):
        return all(same(got[name], value, tolerance) for name, value in expected.items())
    if isinstance(expected, int | float):
        return got == pytest.approx(expected, rel=0 if tolerance else 1e-5, abs=tolerance or 1e-6)
    return got == expected


@pytest.mark.parametrize("row", REFERENCES, ids=lambda row: row["method"])
def test_reference_numbers(row):
    code, out, err = run(row["method"], json.dumps(row["in"]))
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert tuple(answer) == METHODS[row["method"]].gives
    for name, value in row["out"].items():
        assert same(answer[name], value, row.get("tolerance")), (name, answer[name], value)


def test_every_method_has_a_reference():
    assert {row["method"] for row in REFERENCES} == set(METHODS)


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
        ("compare_nodes", '{"nodes": [], "suite_name": "s", "margin": 0}', "nodes: "),
        ("compare_nodes", '{"nodes": {"a": [1]}, "suite_name": "s", "margin": 0}', "nodes['a'][0]"),
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


JUNK = [None, "x", "inf", True, [], {}, [[]], [None], ["x"], [[None]], -1, 1e308, 10**400]
JUNK += [[10**400], [-1e308, 1e308], [[1e308] * 3], [[0, 0, 0, 0]]]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("method", METHODS)
def test_junk_in_any_field_is_answered_or_refused_by_that_name(method):
    given = next(row["in"] for row in REFERENCES if row["method"] == method)
    for field in (*METHODS[method].needs, *METHODS[method].takes):
        for junk in JUNK:
            code, out, err = run(method, json.dumps({**given, field: junk}))
            assert (code == 0 and not err and out) or (code == 2 and not out), (field, junk)
            named = [name for name in METHODS[method].needs + METHODS[method].takes if name in err]
            assert code == 0 or (named and err.count("\n") == 1), (field, junk, err)


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
    assert lines[0] == (
        "paired_delta: d, cluster?, margin?, confidence? -> delta, se, dof, lo, hi, p, verdict"
    )


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
