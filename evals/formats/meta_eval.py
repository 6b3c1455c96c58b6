"""openai/evals' meta-eval: a model-graded spec, and outputs with the `choice` that people made.

Three files: `evals/NAME.yaml` names the eval, `modelgraded/NAME.yaml` the judge, `data/…` the
samples. Its metric, the metascore, is the share of samples on which the judge chose alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from evals.formats.contract import FormatError, canonical_json

CLASS = "evals.elsuite.modelgraded.classify:ModelBasedClassify"
VARIABLE = re.compile(r"(?<!\{)\{(\w+)\}(?!\})")
# A family of choices that the repository writes as one word.
LETTERS = re.compile(r"[A-Z]{2,9}")
OURS = {"input": "{{item.input}}", "completion": "{{sample.output_text}}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSample:
    """One output with what people chose."""

    input: Any
    completion: str
    choice: str
    others: Mapping[str, Any]
    """The sample's further fields, such as `ideal`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaEval:
    """A judge as a prompt with choices, and the labelled samples."""

    name: str
    prompt: str
    """With `{input}`, `{completion}` and the samples' own fields in it."""
    choices: Mapping[str, float]
    samples: Sequence[LabelledSample]
    eval_type: str = "cot_classify"
    not_expressible: Sequence[str] = ()


def read(path: Path) -> MetaEval:
    """The meta-eval at an eval's YAML, or in a folder with one; FormatError names the place."""
    file = _eval_file(path)
    name, args = _entry(file)
    root = file.parent.parent
    spec_file = root / "modelgraded" / f"{args['modelgraded_spec']}.yaml"
    spec = _yaml(spec_file)
    if not isinstance(spec, Mapping) or not isinstance(spec.get("prompt"), str):
        raise FormatError(spec_file.name, "`prompt` is missing or no text", field_name="prompt")
    choices = _choices(spec, spec_file)
    samples_file = _samples_file(root, file, str(args["samples_jsonl"]))
    lost = [
        f"{spec_file.name}, {field}: a judge here has one output and one prompt"
        for field in spec
        if field not in ("prompt", "choice_strings", "choice_scores", "eval_type", "input_outputs")
    ]
    return MetaEval(
        name=name,
        prompt=spec["prompt"],
        choices=choices,
        samples=_samples(samples_file, spec, choices),
        eval_type=str(args.get("eval_type", spec.get("eval_type", "cot_classify"))),
        not_expressible=lost,
    )


def write(found: MetaEval, path: Path) -> None:
    """The three files under the folder, the same bytes for the same meta-eval."""
    data = f"{found.name}/labelled.jsonl"
    spec = {
        "prompt": found.prompt,
        "choice_strings": list(found.choices),
        "choice_scores": dict(found.choices),
        "input_outputs": {"input": "completion"},
    }
    args = {
        "samples_jsonl": data,
        "eval_type": found.eval_type,
        "modelgraded_spec": found.name,
        "metaeval": True,
    }
    version = f"{found.name}.dev.v0"
    entry = {
        found.name: {"id": version, "metrics": ["metascore"]},
        version: {"class": CLASS, "args": args},
    }
    rows = [
        {**row.others, "input": row.input, "completion": row.completion, "choice": row.choice}
        for row in found.samples
    ]
    _write(path / "evals" / f"{found.name}.yaml", yaml.safe_dump(entry, sort_keys=False))
    _write(path / "modelgraded" / f"{found.name}.yaml", yaml.safe_dump(spec, sort_keys=False))
    _write(path / "data" / data, "".join(canonical_json(row) + "\n" for row in rows))


def our_prompt(prompt: str, fields: Sequence[str]) -> str:
    """The prompt with `{input}`, `{completion}` and the samples' fields as graders write them."""

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if name in OURS:
            return OURS[name]
        return f"{{{{item.{name}}}}}" if name in fields else match[0]

    return VARIABLE.sub(fill, prompt)


def their_prompt(prompt: str) -> str:
    """The other way round; what has no name there stays as it is."""
    for theirs, ours in OURS.items():
        prompt = prompt.replace(ours, f"{{{theirs}}}")
    prompt = prompt.replace("{{item.target}}", "{ideal}")
    return re.sub(r"\{\{\s*item\.(\w+)\s*\}\}", r"{\1}", prompt)


def _eval_file(path: Path) -> Path:
    if path.is_file():
        return path
    found = sorted((path / "evals").glob("*.yaml"))
    if len(found) != 1:
        message = f"needs exactly one eval in its folder `evals`, and has {len(found)}"
        raise FormatError(path.name, message)
    return found[0]


def _entry(file: Path) -> tuple[str, Mapping[str, Any]]:
    """The eval's name and arguments; an alias leads to the entry that has a class."""
    document = _yaml(file)
    if not isinstance(document, Mapping):
        raise FormatError(file.name, "needs an object of evals")
    for name, entry in document.items():
        args = entry.get("args") if isinstance(entry, Mapping) else None
        if isinstance(args, Mapping) and args.get("metaeval"):
            for field in ("samples_jsonl", "modelgraded_spec"):
                if field not in args:
                    raise FormatError(file.name, "is missing", field_name=f"{name}.args.{field}")
            return str(name).split(".")[0], args
    message = "holds no meta-eval: an entry with `args.metaeval: true`"
    raise FormatError(file.name, message)


def _samples_file(root: Path, file: Path, named: str) -> Path:
    for place in (root / "data" / named, file.parent / named, Path(named)):
        if place.is_file():
            return place
    raise FormatError(file.name, f"no file {named!r} under data/", field_name="samples_jsonl")


def _choices(spec: Mapping[str, Any], file: Path) -> dict[str, float]:
    """`choice_strings` with their scores; without scores the first is right, the others wrong."""
    named = spec.get("choice_strings")
    if isinstance(named, str):
        named = list(named) if LETTERS.fullmatch(named) else named.split()
    if not isinstance(named, list) or len(named) < 2:
        raise FormatError(file.name, "needs two choices at least", field_name="choice_strings")
    scores = spec.get("choice_scores")
    if isinstance(scores, Mapping):
        missing = [choice for choice in named if choice not in scores]
        if missing:
            message = f"has no score for {missing[0]!r}"
            raise FormatError(file.name, message, field_name="choice_scores")
        return {str(choice): float(scores[choice]) for choice in named}
    # Scores of their own, evenly apart from the first to the last, as a judge's choices need them.
    return {str(choice): 1 - at / (len(named) - 1) for at, choice in enumerate(named)}


def _samples(
    file: Path, spec: Mapping[str, Any], choices: Mapping[str, float]
) -> list[LabelledSample]:
    renamed = spec.get("input_outputs") or {"input": "completion"}
    source, output = next(iter(renamed.items()))
    samples = []
    for line, text in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except ValueError as error:
            raise FormatError(file.name, f"is no JSON: {error}", line=line) from error
        samples.append(_sample(file, line, row, (source, output), choices))
    return samples


def _sample(
    file: Path, line: int, row: Any, names: tuple[str, str], choices: Mapping[str, float]
) -> LabelledSample:
    source, output = names
    for field in (source, output, "choice"):
        if not isinstance(row, Mapping) or field not in row:
            raise FormatError(file.name, "is missing", line=line, field_name=field)
    if row["choice"] not in choices:
        message = f"{row['choice']!r} is none of {', '.join(choices)}"
        raise FormatError(file.name, message, line=line, field_name="choice")
    others = {key: value for key, value in row.items() if key not in (source, output, "choice")}
    return LabelledSample(
        input=row[source], completion=str(row[output]), choice=row["choice"], others=others
    )


def _yaml(file: Path) -> Any:
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise FormatError(file.name, f"can't be read: {error}") from error


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
