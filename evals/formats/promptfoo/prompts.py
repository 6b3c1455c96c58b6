"""The prompts of a config: labels and templates."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from evals.formats.documents import Placed, json_values
from evals.formats.promptfoo import files
from evals.formats.promptfoo.cases import Test
from evals.formats.promptfoo.source import Source


def is_for(prompt: tuple[str, str], test: Test) -> bool:
    wanted = test.place.value.get("prompts")
    if wanted is None:
        return True
    listed = [wanted] if isinstance(wanted, str) else wanted
    return any(
        prompt[0] == one or (one.endswith("*") and prompt[0].startswith(one[:-1])) for one in listed
    )


def prompts_of(source: Source) -> list[tuple[str, str]]:
    """Each prompt's label and template."""
    place = source.at("prompts")
    if isinstance(place.value, Mapping):
        given = [
            dataclasses.replace(place, value={"id": key, "label": label})
            for key, label in place.value.items()
        ]
    elif isinstance(place.value, str):
        given = [place]
    else:
        given = [source.at("prompts", index) for index in range(len(place.items()))]
    found = [pair for one in given for pair in _prompt(source, one)]
    if not found:
        raise place.wrong("no prompt can be used: " + "; ".join(source.told))
    return [
        (label if [one for one, _ in found].count(label) == 1 else f"{label} {number}", text)
        for number, (label, text) in enumerate(found, start=1)
    ]


def _prompt(source: Source, place: Placed) -> Iterator[tuple[str, str]]:
    if isinstance(place.value, Mapping):
        label = str(place.value.get("label") or place.value.get("id") or "prompt")
        raw = place.value.get("raw", place.value.get("id"))
    else:
        label, raw = "", place.value
    if not isinstance(raw, str):
        raise place.wrong("is neither a text nor an object with `raw` or `id`")
    is_file = raw.startswith(files.SCHEME) or (
        "\n" not in raw and raw.endswith((".txt", ".md", ".j2", *files.DATA))
    )
    if files.is_program(raw) and "\n" not in raw and "{{" not in raw:
        source.told.append(place.told(f"{raw}: a prompt that a program makes is not made here"))
    elif is_file:
        for path in source.folder.found(raw, place):
            yield from _prompts_of_file(path, label)
    else:
        yield label or raw[:60], raw


def _prompts_of_file(path: Path, label: str) -> Iterator[tuple[str, str]]:
    """The prompts of a file; a text is parted by lines of three dashes."""
    if path.suffix == ".jsonl":
        for number, place in enumerate(json_values(path), start=1):
            yield f"{label or path.name}:{number}", json.dumps(place.value, ensure_ascii=False)
        return
    value = files.value_of(path).value
    if not isinstance(value, str):
        yield label or path.name, json.dumps(value, ensure_ascii=False)
        return
    parts = [part.strip() for part in value.split("\n---\n") if part.strip()]
    for number, part in enumerate(parts, start=1):
        yield (label or path.name) if len(parts) == 1 else f"{label or path.name}:{number}", part
