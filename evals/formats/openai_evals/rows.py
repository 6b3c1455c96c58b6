"""Rows `{"item", "sample"?}` as cases, and cases as rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.formats import carried
from evals.formats.contract import CaseSpec, FormatError, canonical_json
from evals.formats.documents import Placed
from evals.formats.openai_evals import prompts
from evals.formats.openai_evals.objects import Objects

NATIVE = ("id", "input", "target", "metadata")
"""Fields of a case that templates of graders may name as item.*."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One item of the data, with its place and its number from 0."""

    item: Placed
    number: int
    sent: Placed | None = None
    """The messages that an output item says were sent."""


def rows_of(found: Objects, path: Path, told: list[str]) -> list[Row]:
    """The items of the files, else of the runs, else of the output items."""
    inline = [row for run in found.runs for row in _inline(run)]
    given = found.rows or inline
    if given:
        _tell_samples(given, told)
        return [Row(item=_item(place), number=number) for number, place in enumerate(given)]
    answered = _answered(found)
    if answered:
        return answered
    message = 'holds no row: add the data as a .jsonl file of {"item": …} rows'
    ids = [str(run.at("data_source", "source", "id").value) for run in found.runs]
    if any(name != "None" for name in ids):
        message += f" (it is the file {', '.join(ids)} at OpenAI: download it)"
    raise FormatError(path.name, message)


def _inline(run: Placed) -> list[Placed]:
    content = run.at("data_source", "source", "content")
    return content.items() if content.value is not None else []


def _item(row: Placed) -> Placed:
    """The row's item; a row of fine-tuning is its own."""
    return row.at("item") if "item" in row.mapping() else row


def _answered(found: Objects) -> list[Row]:
    """The items that were answered, each once, by the number that OpenAI gave them."""
    items: dict[int, Row] = {}
    for place in found.output_items:
        number = place.at("datasource_item_id").value
        if not isinstance(number, int):
            raise place.at("datasource_item_id").wrong("is not a whole number")
        sent = place.at("sample", "input")
        row = Row(
            item=place.at("datasource_item"), number=number, sent=sent if sent.value else None
        )
        items.setdefault(number, row)
    return [items[number] for number in sorted(items)]


def _tell_samples(given: Sequence[Placed], told: list[str]) -> None:
    sampled = [place for place in given if place.mapping().get("sample")]
    if sampled:
        message = f"{len(sampled)} rows carry a stored answer, which a suite does not keep"
        told.append(sampled[0].at("sample").told(message))


def cases_of(data: Sequence[Row], template: Placed | None) -> list[CaseSpec]:
    """One case a row; FormatError for an id that two rows share."""
    own_ids = _own_ids(data)
    cases: list[CaseSpec] = []
    places: dict[str, Placed] = {}
    for row in data:
        case = _case(row, template, own_ids)
        if case.case_id in places:
            message = f"case id {case.case_id!r} is used by two rows"
            raise row.item.at("id").wrong(message)
        places[case.case_id] = row.item
        cases.append(case)
    return cases


def _own_ids(data: Sequence[Row]) -> bool:
    """Whether every item has an id of its own, as a short text or a number."""
    ids = [row.item.mapping().get("id") for row in data]
    fit = all(isinstance(one, str | int) and 0 < len(str(one)) <= 200 for one in ids)
    return fit and len({str(one) for one in ids}) == len(ids)


def _case(row: Row, template: Placed | None, own_ids: bool) -> CaseSpec:
    rider = row.item.at(carried.KEY)
    if isinstance(rider.value, Mapping) and "case" in rider.value:
        return _carried_case(row.item, rider, template)
    if template is None and row.sent is not None:
        messages = prompts.as_messages(row.sent)
    else:
        messages = prompts.messages_of(template, row.item)
    if not messages:
        raise row.item.wrong("the run asks nothing of this row")
    return CaseSpec(
        case_id=str(row.item.value["id"]) if own_ids else f"row-{row.number}",
        input=messages,
        metadata={"item": dict(row.item.value)},
    )


def _carried_case(item: Placed, rider: Placed, template: Placed | None) -> CaseSpec:
    """The case that was exported, with what was edited since in the item's own fields."""
    own: Sequence[str] = rider.value.get("item") or ()
    rest = dict(rider.at("case").mapping())
    whole = {
        key: item.value[key]
        for key in NATIVE
        if key in item.value and key not in own and key not in rest
    }
    whole |= rest
    if rider.value.get("item") is not None:
        kept = {key: item.value[key] for key in own if key in item.value}
        whole["metadata"] = {**whole.get("metadata", {}), "item": kept}
    if "input" not in whole:
        whole["input"] = prompts.messages_of(template, item)
    return carried.case_at(dataclasses.replace(item, value=whole))


def row_of(case: CaseSpec, whole_input: bool) -> dict[str, Any]:
    """The case as a row; `whole_input`: what is asked rides under the key of its own."""
    whole = case.as_json()
    of_item = _item_kept(case)
    rider: dict[str, Any] = {}
    if of_item is not None:
        rest_of_metadata = {k: v for k, v in case.metadata.items() if k != "item"}
        whole["metadata"] = rest_of_metadata
        rider["item"] = sorted(of_item)
    native = {key: whole[key] for key in NATIVE if key in whole}
    item = {**native, **(of_item or {})}
    kept = {
        key for key in native if key not in (of_item or {}) and not (key == "input" and whole_input)
    }
    rest = {key: value for key, value in whole.items() if key not in kept}
    if rest.get("metadata") == {}:
        del rest["metadata"]
    return {"item": {**item, carried.KEY: {**rider, "case": rest}}}


def _item_kept(case: CaseSpec) -> Mapping[str, Any] | None:
    """The row that an import kept under `metadata.item`, which graders name as item.*."""
    kept = case.metadata.get("item")
    return kept if isinstance(kept, Mapping) and carried.KEY not in kept else None


def asks_by_item(case: CaseSpec) -> bool:
    """Whether `item.input` of the case's row is what is asked."""
    kept = _item_kept(case) or {}
    return canonical_json(kept.get("input", case.input)) == canonical_json(case.input)
