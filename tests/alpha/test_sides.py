"""What is shown of two answers: their words, and nothing that tells who said them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alpha.sides import in_places, masked, prompt_digest, shown_answer, style_of

NAMES = ["chat-nano-2-tuned", "smollm2-135m-instruct", "gpt"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("I am SmolLM2-135M-Instruct.", "I am [name masked]."),
        ("smollm2 135m instruct said so", "[name masked] said so"),
        ("Chat_Nano/2 tuned!", "[name masked]!"),
        ("gpt is short", "gpt is short"),
        ("nothing (here)", "nothing (here)"),
    ],
)
def test_names_are_masked_however_they_are_spelled(text: str, shown: str) -> None:
    assert masked(text, NAMES) == shown


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ({"content": "\n\n Yes. \ufeff"}, {"content": "Yes.", "tool_calls": []}),
        ({"content": None, "refusal": "No."}, {"content": "No.", "tool_calls": []}),
        ({"content": "a\u200bb"}, {"content": "ab", "tool_calls": []}),
        ({}, {"content": "", "tool_calls": []}),
        (
            {
                "tool_calls": [
                    {"id": "x1", "function": {"name": "look", "arguments": '{"at":"it"}'}}
                ]
            },
            {"content": "", "tool_calls": [{"name": "look", "arguments": '{"at": "it"}'}]},
        ),
        (
            {"tool_calls": [{"function": {"name": "look", "arguments": "[" * 100_000}}]},
            {"content": "", "tool_calls": [{"name": "look", "arguments": "[" * 100_000}]},
        ),
    ],
)
def test_an_answer_is_shown_without_what_its_server_adds(
    message: dict[str, Any], shown: dict[str, Any]
) -> None:
    assert shown_answer(message, NAMES) == shown


def test_style_counts_characters_headers_lists_and_bold() -> None:
    text = "# Title\n\n- one\n2. two\n**bold** and __more__\nnot - a list"
    assert style_of({"content": text, "tool_calls": []}) == [len(text), 1, 2, 2]
    assert style_of({"content": "", "tool_calls": [{"name": "f", "arguments": "{}"}]})[0] == 2


def test_style_of_hostile_text_is_counted_in_no_time() -> None:
    for text in ("\n" * 200_000, "**" * 100_000, "# " * 100_000, " " * 200_000 + "-"):
        style_of({"content": text, "tool_calls": []})
        masked(text, NAMES)


def test_a_prompts_digest_tells_equal_prompts_and_needs_the_key() -> None:
    asked = {"messages": [{"role": "user", "content": "hi"}], "temperature": 0.1}
    other = {**asked, "temperature": 0.9}
    assert prompt_digest(b"k" * 32, asked) == prompt_digest(b"k" * 32, other)
    assert prompt_digest(b"k" * 32, asked) != prompt_digest(b"l" * 32, asked)
    assert prompt_digest(b"k" * 32, asked) != prompt_digest(b"k" * 32, {"messages": []})
    assert len(prompt_digest(b"k" * 32, json.loads(json.dumps(asked)))) == 32


def test_places() -> None:
    assert in_places(True, "xy") == ("x", "y")
    assert in_places(False, "xy") == ("y", "x")
