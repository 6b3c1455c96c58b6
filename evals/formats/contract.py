"""A suite as files carry it: what a format reads and writes."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from evals import components, graders
from evals.graders.contract import GradedCase, Policy
from evals.states import CaseSource
from infra.errors import InvalidInput

DEFAULT_SHELF_DAYS = 90


class FormatError(InvalidInput):
    """A suite's file that cannot be used: which file, line and field, and why."""

    def __init__(
        self, file: str, message: str, *, line: int | None = None, field_name: str = ""
    ) -> None:
        place = file + (f" line {line}" if line else "") + (f", {field_name}" if field_name else "")
        super().__init__("suite_file", f"{place}: {message}")
        self.file = file
        self.line = line
        self.field_name = field_name
        self.problem = message


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSpec:
    """One case of a suite."""

    case_id: str
    input: Sequence[Mapping[str, Any]]
    """Chat messages, sent after the checkpoint's own system text."""
    tools: Sequence[Mapping[str, Any]] = ()
    target: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    components: Sequence[str] = ()
    cluster: str = ""
    """Cases of one cluster are not independent of each other; empty: a cluster of its own."""
    source: CaseSource = CaseSource.WRITTEN
    request: Mapping[str, Any] = field(default_factory=dict)
    """Request settings of this case, over the suite's."""
    serving: Mapping[str, Any] = field(default_factory=dict)
    """What replaces the checkpoint's own serving defaults on this case, such as its system text:
    `{"system_prompt": ""}`."""
    graders: Sequence[Mapping[str, Any]] = ()
    """Graders of this case alone, in addition to the suite's."""

    def graded(self) -> GradedCase:
        """The part that graders see."""
        return GradedCase(
            case_id=self.case_id,
            input=self.input,
            tools=self.tools,
            target=self.target,
            metadata=self.metadata,
            components=self.components,
            graders=self.graders,
        )

    def as_json(self) -> dict[str, Any]:
        """The case as one object of a cases file; defaults left out."""
        whole = {
            "id": self.case_id,
            "input": self.input,
            "tools": self.tools,
            "target": self.target,
            "metadata": self.metadata,
            "components": self.components,
            "cluster": self.cluster,
            "source": "" if self.source is CaseSource.WRITTEN else self.source.value,
            "request": self.request,
            "serving": self.serving,
            "graders": self.graders,
        }
        return {key: value for key, value in whole.items() if not _is_default(value)}

    def digest(self) -> str:
        """SHA-256 of what is asked and how it is judged; same id and digest: the same case."""
        judged = {key: value for key, value in self.as_json().items() if key != "source"}
        return sha256_of(judged)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteSpec:
    """A suite with its cases."""

    name: str
    cases: Sequence[CaseSpec]
    graders: Sequence[Mapping[str, Any]]
    """Of every case; may be empty when each case has its own."""
    components: Mapping[str, str]
    """Each component that a case may score, with what it means."""
    description: str = ""
    owner: str = ""
    shelf_days: int = DEFAULT_SHELF_DAYS
    review_by: datetime.date | None = None
    """Overrides the shelf life counted from the day of publishing."""
    policy: Policy = field(default_factory=Policy)
    canary: str = ""
    request: Mapping[str, Any] = field(default_factory=dict)
    """Request settings that every case shares: max_tokens, response_format and the like."""
    not_expressible: Sequence[str] = ()
    """What the file said and Slipway cannot hold, one sentence each."""

    def digest(self) -> str:
        """SHA-256 of all that decides a score; the order of the cases does not."""
        return suite_digest(self, ((case.case_id, case.digest()) for case in self.cases))


def suite_digest(head: SuiteSpec, cases: Iterable[tuple[str, str]]) -> str:
    """The digest of a suite whose cases are known by id and digest; those of `head` are not used.

    The order of the cases does not matter.
    """
    return sha256_of(
        {
            "cases": sorted(f"{case_id} {digest}" for case_id, digest in cases),
            "components": sorted(head.components),
            "graders": head.graders,
            "policy": policy_as_json(head.policy),
            "request": head.request,
        }
    )


def first_cases(suite: SuiteSpec, n_cases: int) -> SuiteSpec:
    """The suite with its first cases alone, and the components that these still score."""
    cases = suite.cases[:n_cases]
    scored: set[str] = set()
    for case in cases:
        for _, labels in graders.check_graded(suite.graders, case.graded()):
            scored |= set(labels)
    kept = {
        label: meaning
        for label, meaning in suite.components.items()
        if any(components.is_within(one, label) for one in scored)
    }
    return replace(suite, cases=cases, components=kept)


class SuiteFormat(Protocol):
    """A format is a module with these two functions."""

    def read(self, path: Path) -> SuiteSpec:
        """The suite at the path; FormatError names file, line and field."""

    def write(self, suite: SuiteSpec, path: Path) -> Sequence[str] | None:
        """Write the suite to the path, the same bytes for the same suite.

        Gives what the format's own tool will not see of it, one sentence each; None: it sees all.
        """


def request_body(suite: SuiteSpec, case: CaseSpec) -> dict[str, Any]:
    """What the case asks of a checkpoint, before its system text and defaults are composed in."""
    body: dict[str, Any] = {**suite.request, **case.request, "messages": list(case.input)}
    if case.tools:
        body["tools"] = list(case.tools)
    return body


def policy_as_json(policy: Policy) -> dict[str, Any]:
    """The policy as a suite file holds it."""
    whole = {
        "refused": policy.refused,
        "unparsable": policy.unparsable,
        "timed_out": policy.timed_out,
        "refusal_patterns": list(policy.refusal_patterns),
    }
    if policy.request_timeout_s is not None:
        whole["request_timeout_s"] = policy.request_timeout_s
    return whole


def canonical_json(value: object) -> str:
    """One spelling for one value: sorted keys, no spaces, no NaN, whole floats as integers."""
    return json.dumps(
        _plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def sha256_of(value: object) -> str:
    """Hex SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(inner) for inner in value]
    return value


def _is_default(value: object) -> bool:
    return value is None or (isinstance(value, str | Sequence | Mapping) and not value)
