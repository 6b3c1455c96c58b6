"""What a suite and its cases must satisfy before they are kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evals import components, graders
from evals.formats.contract import CaseSpec, SuiteSpec
from evals.formats.slipway import UNSTORABLE
from evals.graders.contract import GraderSpecError
from evals.selectors import judges
from infra.errors import InvalidInput, NotFound

SUITE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")
LONGEST_LABEL = 200


def check_suite(name: str, suite: SuiteSpec) -> None:
    """InvalidInput naming what is wrong: the name, a label, a grader or a case."""
    if not SUITE_NAME.fullmatch(name):
        message = f"{name!r} is no suite name: use up to 80 of a-z, 0-9, '-' and '_'."
        raise InvalidInput("suite_name", message)
    if not suite.cases:
        raise InvalidInput("no_cases", f"Suite {name} has no case.")
    _check_head(name, suite)
    for label in suite.components:
        components.parse(label)
        if len(label) > LONGEST_LABEL:
            message = f"Component {label[:40]}… is longer than {LONGEST_LABEL} characters."
            raise InvalidInput("component_label", message)
    for spec in suite.graders:
        graders.check_spec(spec)
    for case in suite.cases:
        check_case(case, suite.graders, suite.components)
    check_judges([*suite.graders, *(spec for case in suite.cases for spec in case.graders)])


def _check_head(name: str, suite: SuiteSpec) -> None:
    """InvalidInput where what all cases share can't be stored."""
    fields = ("description", "owner", "canary", "graders", "components", "request")
    for field in fields:
        if UNSTORABLE.search(json.dumps(getattr(suite, field), ensure_ascii=False)):
            message = (
                f"Suite {name}, {field}: a NUL character or half a surrogate pair can't be stored."
            )
            raise InvalidInput("suite_text", message)


def check_judges(specs: Iterable[Mapping[str, Any]]) -> None:
    """InvalidInput naming a judge's version that does not exist."""
    for reference in dict.fromkeys(spec["judge"] for spec in judges.judge_specs(specs)):
        try:
            judges.version_named(reference)
        except NotFound as unknown:
            message = f"{unknown.message} Make it with `manage.py judge create`."
            raise InvalidInput("no_such_judge", message) from unknown


def check_case(
    case: CaseSpec, specs: Sequence[Mapping[str, Any]], declared: Mapping[str, str]
) -> None:
    """InvalidInput unless every grader can score the case, on declared components alone."""
    if UNSTORABLE.search(json.dumps(case.as_json(), ensure_ascii=False)):
        message = f"Case {case.case_id}: a NUL character or half a surrogate pair can't be stored."
        raise InvalidInput("case_text", message)
    _check_messages(case)
    labels = set(case.components)
    try:
        for _, scored in graders.check_graded(specs, case.graded()):
            labels |= set(scored)
    except GraderSpecError as error:
        message = f"Case {case.case_id}, {error.field_name}: {error.problem}"
        raise InvalidInput("case_target", message) from error
    unknown = sorted(labels - set(declared))
    if unknown:
        message = (
            f"Case {case.case_id} is scored on {', '.join(unknown)}, which the suite does not "
            f"declare; it declares {', '.join(sorted(declared))}."
        )
        raise InvalidInput("component_undeclared", message)


def _check_messages(case: CaseSpec) -> None:
    if not case.case_id or len(case.case_id) > LONGEST_LABEL:
        raise InvalidInput("case_id", f"A case's id has 1 to {LONGEST_LABEL} characters.")
    if not case.input or any("role" not in message for message in case.input):
        message = f"Case {case.case_id}: `input` needs at least one message, each with a role."
        raise InvalidInput("case_input", message)
