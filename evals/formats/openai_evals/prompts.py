"""What a run asks: message templates filled with an item."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from evals.formats.documents import Placed
from evals.graders.templates import STEP, VARIABLE

WHERE_PROMPTS_ARE = ("input", "messages", "prompt", "question")
"""Fields of an item that are asked when no run says what is."""
REFERENCE = re.compile(r"item((?:\.\w+|\[\d+\])+)")


def messages_of(template: Placed | None, item: Placed) -> list[dict[str, Any]]:
    """The messages that a run sends for the item; FormatError names a variable without value."""
    if template is None:
        return _found(item)
    kind = template.at("type").value
    if kind == "item_reference":
        return _referenced(template.at("item_reference"), item)
    if kind == "template":
        return [_message(place, item) for place in template.at("template").items()]
    raise template.at("type").wrong(f"{kind!r} is neither `template` nor `item_reference`")


def _found(item: Placed) -> list[dict[str, Any]]:
    for key in WHERE_PROMPTS_ARE:
        if item.mapping().get(key):
            return as_messages(item.at(key))
    raise item.wrong(
        "no run says what is asked: add the run's JSON with its input_messages, or a field "
        f"{', '.join(WHERE_PROMPTS_ARE[:-1])} or {WHERE_PROMPTS_ARE[-1]} to each item"
    )


def _referenced(reference: Placed, item: Placed) -> list[dict[str, Any]]:
    match = REFERENCE.fullmatch(reference.text())
    if match is None:
        raise reference.wrong(f"{reference.value!r} is no path like item.input")
    return as_messages(_at_path(item, match[1]))


def _at_path(item: Placed, path: str) -> Placed:
    for name, index in STEP.findall(path):
        item = item.at(name or int(index))
    if item.value is None:
        raise item.wrong("the run asks for this field, which the item does not have")
    return item


def as_messages(place: Placed) -> list[dict[str, Any]]:
    """A list of messages, or a text as one of the user."""
    if isinstance(place.value, str):
        return [{"role": "user", "content": place.value}]
    return [_message(entry, None) for entry in place.items()]


def _message(place: Placed, item: Placed | None) -> dict[str, Any]:
    """A message; `item` fills its templates. OpenAI's `type: message` is left out."""
    message = {key: value for key, value in place.mapping().items() if value is not None}
    if message.pop("type", "message") != "message" or "role" not in message:
        raise place.wrong("is no message: it needs a role and a content")
    if "content" in message:
        message["content"] = _content(place.at("content"), item)
    return message


def _content(place: Placed, item: Placed | None) -> Any:
    """Text, or the parts of a chat message; `input_text` and its like become text."""
    value = place.value
    if isinstance(value, str):
        return _filled(value, item)
    if isinstance(value, Mapping):
        parts = [_part(place, item)]
    else:
        parts = [_part(entry, item) for entry in place.items()]
    texts = [part["text"] for part in parts if part.get("type") == "text"]
    return "\n".join(texts) if len(texts) == len(parts) else parts


def _part(place: Placed, item: Placed | None) -> dict[str, Any]:
    if isinstance(place.value, str):
        return {"type": "text", "text": _filled(place.value, item)}
    part = dict(place.mapping())
    if part.get("type") in ("input_text", "output_text", "text"):
        return {"type": "text", "text": _filled(place.at("text").text(), item)}
    if part.get("type") == "input_image":
        url = {"url": _filled(place.at("image_url").text(), item)}
        detail = {"detail": part["detail"]} if part.get("detail") else {}
        return {"type": "image_url", "image_url": {**url, **detail}}
    return part


def _filled(template: str, item: Placed | None) -> str:
    if item is None:
        return template

    def fill(match: re.Match[str]) -> str:
        if match[1] == "sample":
            raise item.wrong(f"a prompt can't use {match[0]}: nothing was sampled yet")
        found = _at_path(item, match[2]).value
        return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)

    return VARIABLE.sub(fill, template)
