"""`openai-registry`: evals of the openai/evals repository: registry YAML with its samples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evals import components, graders
from evals.formats.carried import counted
from evals.formats.contract import CaseSpec, FormatError, SuiteSpec
from evals.formats.documents import Placed, YamlFile, json_values, name_from
from evals.formats.openai_registry.basic import basic
from evals.formats.openai_registry.judged import MODEL_GRADED, judged
from evals.formats.openai_registry.prompts import asked, messages_of
from evals.formats.openai_registry.refusals import NotExpressibleError
from evals.graders.contract import GraderSpecError
from infra.errors import InvalidInput

DEFAULT_MAX_TOKENS = 500
KNOWN_ARGS = ("samples_jsonl", "max_tokens", "num_few_shot", "few_shot_jsonl", "ignore_case")
JUDGE_ARGS = ("samples_jsonl", "max_tokens", "eval_type", "modelgraded_spec", "metaeval")
LFS_POINTER = b"version https://git-lfs"


def read(path: Path) -> SuiteSpec:
    """The evals of one registry YAML as a suite, each eval a component.

    The path is `registry/evals/NAME.yaml` of the repository, or a YAML with its samples beside it.
    FormatError names file, line and field.
    """
    if path.is_dir():
        found = sorted([*path.glob("*.yaml"), *path.glob("*.yml")])
        if len(found) != 1:
            names = counted([file.name for file in found]) or "none"
            message = f"holds {len(found)} registry files ({names}): name one"
            raise FormatError(path.name, message)
        path = found[0]
    return _Registry(path).suite()


def write(suite: SuiteSpec, path: Path) -> None:
    """Refused: the registry's classes hold less than a suite does."""
    message = "openai-registry is read only: export to openai-evals, promptfoo or slipway"
    raise InvalidInput("format", message)


class _Registry:
    """One registry file while it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = YamlFile(path)
        self.file.at().mapping()
        self.told: list[str] = []
        self.budgets: set[int] = set()

    def suite(self) -> SuiteSpec:
        """All its evals."""
        labels: dict[str, str] = {}
        cases: list[CaseSpec] = []
        names = self._evals()
        for name, key, about in names:
            label = components.join([name])
            try:
                cases += self._cases(name, self.file.at(key), label)
            except NotExpressibleError as why:
                self.told.append(self.file.at(key).told(f"eval {name!r} is left out: {why}"))
                continue
            labels[label] = about
        if not cases:
            raise self.file.at().wrong("no eval of it can be used: " + "; ".join(self.told))
        if len(self.budgets) > 1:
            told = sorted(self.budgets)
            self.told.append(self.file.at().told(f"max_tokens differ ({told}): the largest is set"))
        return SuiteSpec(
            name=name_from(names[0][0] if len(names) == 1 else self.path.stem),
            description=names[0][2] if len(names) == 1 else "",
            cases=cases,
            graders=[],
            components=labels,
            request={"max_tokens": max(self.budgets), "temperature": 0},
            not_expressible=tuple(dict.fromkeys(self.told)),
        )

    def _evals(self) -> list[tuple[str, str, str]]:
        """Name, key of the spec, and description of each eval that the file defines."""
        root = self.file.root.mapping()
        found: list[tuple[str, str, str]] = []
        aliased: set[str] = set()
        for name, value in root.items():
            target = value if isinstance(value, str) else (value or {}).get("id")
            if target is None:
                continue
            if target not in root:
                raise self.file.at(name).wrong(f"its id {target!r} is not in this file")
            aliased.add(target)
            about = value.get("description") if isinstance(value, Mapping) else None
            self._tell_base(name, value)
            found.append((name, target, str(about or f"Eval {name}")))
        alone = [key for key in root if key not in aliased and "class" in (root[key] or {})]
        return found + [(key, key, f"Eval {key}") for key in alone]

    def _tell_base(self, name: str, value: Any) -> None:
        for key in value if isinstance(value, Mapping) else ():
            place = self.file.at(name, key)
            if key == "metrics" and place.value not in (["accuracy"], "accuracy"):
                self.told.append(place.told(f"{place.value}: the mean score is what is computed"))
            elif key not in ("id", "description", "metrics"):
                self.told.append(place.told("a suite has no such field"))

    def _cases(self, name: str, place: Placed, label: str) -> list[CaseSpec]:
        kind = place.at("class").text()
        args = place.at("args")
        known = JUDGE_ARGS if kind == MODEL_GRADED else KNOWN_ARGS
        is_judged = kind == MODEL_GRADED
        make = judged(args, self.path, self.told) if is_judged else basic(kind, args)
        for key in args.mapping():
            if key not in known:
                self.told.append(args.at(key).told("is not applied here"))
        self.budgets.add(int(args.at("max_tokens").value or DEFAULT_MAX_TOKENS))
        examples = self._few_shot(args)
        found = []
        for number, row in enumerate(self._samples(args.at("samples_jsonl"))):
            sample = row.mapping()
            spec = {"components": [label], **make(row)}
            try:
                graders.check_spec(spec)
            except GraderSpecError as error:
                raise NotExpressibleError(f"{error.field_name}: {error.problem}") from error
            found.append(
                CaseSpec(
                    case_id=f"{name}.{number}",
                    input=asked(row.at("input"), examples),
                    target=sample.get("ideal"),
                    metadata={"item": dict(sample)},
                    graders=[spec],
                )
            )
        return found

    def _few_shot(self, args: Placed) -> list[dict[str, Any]]:
        n = args.at("num_few_shot").value or 0
        if not n:
            return []
        rows = self._samples(args.at("few_shot_jsonl"))[: int(n)]
        return [message for row in rows for message in messages_of(row.at("sample"))]

    def _samples(self, place: Placed) -> list[Placed]:
        name = place.text()
        path = self._found(name, place)
        with path.open("rb") as file:
            if file.read(len(LFS_POINTER)) == LFS_POINTER:
                raise place.wrong(f"{name} is only a pointer of Git LFS: run `git lfs pull` first")
        rows = list(json_values(path))
        if not rows:
            raise place.wrong(f"{name} holds no sample")
        return rows

    def _found(self, name: str, place: Placed) -> Path:
        """The file in the repository's data folder, or beside the YAML."""
        if Path(name).is_absolute() or ".." in Path(name).parts or "://" in name:
            raise place.wrong(f"{name} is outside of the registry: put the file beside the YAML")
        roots = (self.path.parent.parent / "data", self.path.parent, self.path.parent / "data")
        for candidate in [root / name for root in roots] + [self.path.parent / Path(name).name]:
            if candidate.is_file():
                return candidate
        raise place.wrong(f"{name} is neither in ../data nor beside {self.path.name}")
