"""A suite's one spelling, for round trips through other tools' files."""

from __future__ import annotations

import functools
from pathlib import Path

from evals import formats
from evals.formats.contract import CaseSpec, SuiteSpec, canonical_json
from evals.formats.slipway import suite_as_json
from evals.graders.contract import Policy
from evals.states import CaseSource

DEMO = Path(formats.__file__).parents[2] / "infra" / "demo" / "suites"
DATA = Path(__file__).parent / "data"
ASK = [{"role": "user", "content": "Capital of {{ country }}? {% raw %}"}]


def canonical(suite: SuiteSpec) -> str:
    """All of the suite, as one canonical JSON."""
    cases = [case.as_json() for case in suite.cases]
    return canonical_json({"suite": suite_as_json(suite), "cases": cases})


def every_field() -> SuiteSpec:
    """A suite that uses each field that there is, with text that templates stumble over."""
    return SuiteSpec(
        name="every_field",
        description="Uses each field.",
        owner="eval_owner@example.org",
        shelf_days=30,
        canary="canary-1",
        components={"geo.europe": "Europe", "geo.asia": "Asia", "form": "Short"},
        policy=Policy(refused=0.5, refusal_patterns=["not allowed"]),
        request={"max_tokens": 20, "temperature": 0, "stop": ["\n"]},
        graders=[
            {"type": "string_check", "operation": "ilike", "weight": 2},
            {"type": "string_check", "operation": "eq", "name": "exact", "reference": "Paris"},
            {"type": "regex", "pattern": "^'\\d\"$", "negate": True, "components": ["form"]},
        ],
        cases=[
            CaseSpec(
                case_id="fr",
                input=ASK,
                target="Paris",
                components=["geo.europe"],
                cluster="europe",
                metadata={"level": 1.0, "item": {"id": "fr", "q": [1, {"a": None}]}},
            ),
            CaseSpec(
                case_id="日本 {{x}}",
                input=[{"role": "system", "content": "Brief."}, *ASK],
                tools=[{"type": "function", "function": {"name": "look_up"}}],
                target={"city": ["Tokyo", "東京"], "n": 2},
                components=["geo.asia"],
                source=CaseSource.FEEDBACK,
                request={"max_tokens": 5},
                graders=[{"type": "json_schema", "schema": True, "components": ["form"]}],
            ),
        ],
    )


@functools.cache
def suites() -> dict[str, SuiteSpec]:
    """Every suite that must come back as it went."""
    demo = {path.name: formats.read("slipway", path) for path in sorted(DEMO.iterdir())}
    asked = {path.stem: formats.read("bfcl", path) for path in sorted(DATA.glob("BFCL*[a-z].json"))
             if not path.name.endswith(".answers.json")}  # fmt: skip
    ifeval = formats.read("ifeval", DATA / "input_data.jsonl")
    return {**demo, **asked, "ifeval": ifeval, "every_field": every_field()}
