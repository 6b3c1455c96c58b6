"""What gates need at judge time runs where neither NumPy nor SciPy is installed."""

import ast
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import releases.statistics

JUDGING = ("checks", "margins", "methods", "multiplicity", "planning", "suite_status")
JUDGING += ("verdicts", "votes", "wording")
FOLDER = Path(releases.statistics.__path__[0])

BLOCKED = """
import sys
for name in ("numpy", "scipy", "wordllama"):
    sys.modules[name] = None
"""
JUDGED = """
from releases.statistics.margins import margin_odds, rate_at_odds_ratio
from releases.statistics.multiplicity import benjamini_hochberg, holm
from releases.statistics.planning import (
    cases_for_noninferiority, cases_for_superiority, cases_to_settle, chance_to_pass,
    events_needed, minimum_detectable_effect,
)
from releases.statistics.suite_status import suite_status
from releases.statistics.verdicts import Verdict, verdict_of
from releases.statistics.votes import elo, votes_needed
from releases.statistics.wording import ComparedFacts, comparison_sentence

assert verdict_of(-0.03, 0.03, 0.02) == Verdict.INCONCLUSIVE
assert [round(p, 3) for p in holm([0.001, 0.04, 0.3]).adjusted] == [0.003, 0.08, 0.3]
assert [round(p, 3) for p in benjamini_hochberg([0.001, 0.04, 0.3]).adjusted] == [0.003, 0.06, 0.3]
assert cases_for_noninferiority(0.02, 0, 0.1).n == 1963
assert cases_for_superiority(0.111, 0.1667, 0.1667, 1, 1, 0.03).n == 3876
assert round(minimum_detectable_effect(500, 0.1, 1.4).mde, 5) == 0.04688
assert cases_to_settle(600, 0.01166, -0.0083, 0.02) > 4000
assert 0.3 < chance_to_pass(600, 0.1, 0.02) < 0.4
assert events_needed(2, 0.5) == 69
assert round(rate_at_odds_ratio(0.02, margin_odds(0.02, 0.005, 1.25).from_points), 6) == 0.025
assert suite_status([[91, 0.2, 0.03, 0.6]]).status == ("expired",)
assert votes_needed(0.05, 0.2).n == 628 and round(elo(0.55).elo) == 35
facts = ComparedFacts(
    name="rows", n=600, n_clusters=600, delta=-0.0083, lo=-0.032, hi=0.015, margin=0.02,
    verdict=Verdict.INCONCLUSIVE, cases_to_settle=4706,
)
assert comparison_sentence(facts).endswith("about 4,700 would settle it: holds")
"""


def run(code):
    return subprocess.run(
        [sys.executable, "-c", BLOCKED + code], capture_output=True, text=True, check=False
    )


def test_judging_runs_on_the_standard_library():
    done = run(JUDGED)
    assert done.returncode == 0, done.stderr


def test_the_block_is_one():
    assert "numpy" in run("import releases.statistics.inputs").stderr


@pytest.mark.parametrize("name", JUDGING)
def test_a_judging_module_imports_no_other_kind(name):
    tree = ast.parse((FOLDER / f"{name}.py").read_text())
    for node in ast.walk(tree):
        names = [alias.name for alias in getattr(node, "names", ())]
        if isinstance(node, ast.ImportFrom):
            modules = names if node.module == "releases.statistics" else [node.module]
        else:
            modules = names if isinstance(node, ast.Import) else []
        for module in modules:
            mine = module.removeprefix("releases.statistics.")
            assert mine in JUDGING or mine.split(".")[0] in sys.stdlib_module_names, module


def test_every_rule_kind_loads_on_the_standard_library():
    import releases.gates

    names = [name for _, name, _ in pkgutil.walk_packages(releases.gates.__path__)]
    done = run("".join(f"import releases.gates.{name}\n" for name in names))
    assert done.returncode == 0, done.stderr
    assert len(names) > 10
