"""Every template changes one thing, or says that there is nothing to change."""

from __future__ import annotations

from typing import Any

import pytest

from evals.probes.changes import CLOCK_TOOL, TEMPLATES, Asked

LONG = "You are given a report.\n\nThe report says a lot.\n\nSum it up as JSON."
RICH = Asked(
    messages=[
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Hi."},
        {"role": "user", "content": LONG},
    ],
    tools=[CLOCK_TOOL],
    request={"max_tokens": 16, "temperature": 0.7, "tool_choice": "auto"},
)
BARE = Asked(messages=[{"role": "user", "content": "Which is the largest lake?"}])


def changed(name: str, asked: Asked) -> dict[str, Any] | None:
    """The parts that differ."""
    found = TEMPLATES[name].change(asked)
    if found is None:
        return None
    before, after = asked.as_json(), found.as_json()
    return {part: after[part] for part in after if after[part] != before[part]}


@pytest.mark.parametrize(
    ("name", "part", "value"),
    [
        ("shorter_context", "messages", [RICH.messages[0], RICH.messages[-1]]),
        ("system_message_off", "messages", list(RICH.messages[1:])),
        ("system_prompt_off", "serving", {"system_prompt": ""}),
        ("temperature_zero", "request", {**RICH.request, "temperature": 0.0}),
        ("temperature_one", "request", {**RICH.request, "temperature": 1.0}),
        ("more_tokens", "request", {**RICH.request, "max_tokens": 64}),
    ],
)
def test_one_part_is_changed(name: str, part: str, value: Any) -> None:
    assert changed(name, RICH) == {part: value}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "instruction_first",
            "Sum it up as JSON.\n\nYou are given a report.\n\nThe report says a lot.",
        ),
        (
            "instruction_last",
            "The report says a lot.\n\nSum it up as JSON.\n\nYou are given a report.",
        ),
        ("answer_in_english", f"{LONG}\n\nAnswer in English."),
        ("format_asked", f"{LONG}\n\nAnswer in plain text, without lists, headings or tables."),
        ("reasoning_asked", f"{LONG}\n\nThink step by step before you answer."),
    ],
)
def test_the_last_turn_alone_is_changed(name: str, text: str) -> None:
    last = {"role": "user", "content": text}
    assert changed(name, RICH) == {"messages": [*RICH.messages[:-1], last]}


def test_a_long_single_turn_keeps_its_ends() -> None:
    asked = Asked(messages=[{"role": "user", "content": LONG}])
    kept = "You are given a report.\n\nSum it up as JSON."
    assert changed("shorter_context", asked) == {"messages": [{"role": "user", "content": kept}]}


def test_no_format_is_neither_asked_in_words_nor_in_the_request() -> None:
    asked = Asked(
        messages=[{"role": "user", "content": "Name a lake. Answer as JSON. Be quick."}],
        request={"response_format": {"type": "json_object"}, "max_tokens": 8},
    )
    assert changed("format_not_asked", asked) == {
        "messages": [{"role": "user", "content": "Name a lake. Be quick."}],
        "request": {"max_tokens": 8},
    }


def test_tools_go_with_the_settings_that_speak_of_them() -> None:
    settings = {"max_tokens": 16, "temperature": 0.7}
    assert changed("tools_off", RICH) == {"tools": [], "request": settings}
    assert changed("tool_present", BARE) == {"tools": [CLOCK_TOOL]}


@pytest.mark.parametrize(
    "name",
    [
        "shorter_context",
        "instruction_first",
        "instruction_last",
        "format_not_asked",
        "system_message_off",
        "more_tokens",
        "tools_off",
    ],
)
def test_where_there_is_nothing_to_change_there_is_no_pair(name: str) -> None:
    assert changed(name, BARE) is None


PICTURE = [{"type": "image_url", "image_url": {"url": "data:,"}}]
ODD = (
    Asked(messages=[{"role": "user", "content": PICTURE}]),
    Asked(messages=[{"role": "user", "content": ""}]),
    Asked(messages=[{"role": "tool", "content": "3", "tool_call_id": "1"}]),
    Asked(messages=[{"role": "system", "content": "Be brief."}]),
    Asked(messages=[{"role": "assistant", "content": None, "tool_calls": []}]),
    BARE,
    RICH,
)


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_a_template_changes_something_or_gives_no_pair(name: str) -> None:
    for asked in ODD:
        assert changed(name, asked) != {}
