"""Our numbers are those of statsmodels, SciPy and krippendorff wherever these have the method.

What they answered is recorded, with their versions, so that a test run needs none of them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from releases.statistics.methods import METHODS

ANSWERS = json.loads((Path(__file__).parent / "other_libraries.json").read_text("utf-8"))


@pytest.mark.parametrize(
    "answer", ANSWERS, ids=[f"{row['method']}-{at}" for at, row in enumerate(ANSWERS)]
)
def test_the_numbers_are_those_of(answer: dict[str, Any]) -> None:
    ours = METHODS[answer["method"]].call(answer["in"])
    for field, theirs in answer["out"].items():
        assert ours[field] == pytest.approx(theirs, rel=1e-9, abs=1e-9), (answer["by"], field)
