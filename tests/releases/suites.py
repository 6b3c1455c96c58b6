"""Suites that pipeline files name, published through the service."""

from __future__ import annotations

from typing import Any

from evals.formats.contract import CaseSpec, SuiteSpec
from evals.models import SuiteVersion
from evals.services import suites
from infra.actors import system
from tests import builders

COMPONENTS = {"sql.table": "picks the table", "sql.columns": "picks the columns"}
GRADER = {"type": "string_check", "operation": "eq"}


def case(number: int, **fields: Any) -> CaseSpec:
    """Counts for the table when its number is even, else for the columns."""
    values: dict[str, Any] = {
        "case_id": f"c{number:05d}",
        "input": [{"role": "user", "content": f"word-{number}"}],
        "target": f"word-{number}",
        "components": ["sql.columns" if number % 2 else "sql.table"],
    }
    return CaseSpec(**{**values, **fields})


def spec(name: str = "sql", n_cases: int = 12, **fields: Any) -> SuiteSpec:
    """A suite of that many cases, graded by exact match."""
    values: dict[str, Any] = {
        "name": name,
        "cases": [case(number) for number in range(n_cases)],
        "graders": [GRADER],
        "components": COMPONENTS,
        "owner": "eval_owner@example.org",
        "request": {"max_tokens": 16},
    }
    return SuiteSpec(**{**values, **fields})


def published(name: str = "sql", n_cases: int = 12, **fields: Any) -> SuiteVersion:
    """The suite's next version, with the cast."""
    builders.cast()
    made = spec(name, n_cases, **fields)
    return suites.import_suite(actor=system("test"), name=name, suite=made).version
