"""What is taken out of text before it becomes a case or a training row, and what is left in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evals.redaction import Personal, Redactor, found_in, is_iban, passes_luhn

TAKEN = [
    ("email", "Write to ada.l+x@mail.example.co.uk, please.", "ada.l+x@mail.example.co.uk"),
    ("phone", "Call +49 30 1234567 now", "+49 30 1234567"),
    ("phone", "Call +1 (415) 555-0132.", "+1 (415) 555-0132"),
    ("phone", "Call (415) 555-0132", "(415) 555-0132"),
    ("phone", "Call 415-555-0132", "415-555-0132"),
    ("phone", "Ruf an: 030 / 1234567", "030 / 1234567"),
    ("phone", "0044 20 7946 0958", "0044 20 7946 0958"),
    ("card", "my card 4111 1111 1111 1111 expires", "4111 1111 1111 1111"),
    ("card", "5500-0000-0000-0004", "5500-0000-0000-0004"),
    ("iban", "Pay DE89 3704 0044 0532 0130 00 today", "DE89 3704 0044 0532 0130 00"),
    ("iban", "GB82WEST12345698765432.", "GB82WEST12345698765432"),
    ("iban", "Pay NO93 8601 1117 947 AND GO", "NO93 8601 1117 947"),
    ("ssn", "SSN 123-45-6789", "123-45-6789"),
    ("key", "key sk-abcdefghijklmnopqrstuvwx", "sk-abcdefghijklmnopqrstuvwx"),
    ("key", "slw_abc123_secretsecret", "slw_abc123_secretsecret"),
    ("key", "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
    ("key", "ghp_" + "a1" * 18, "ghp_" + "a1" * 18),
    ("key", "Authorization: Bearer abcdef0123456789ABCDEF", "abcdef0123456789ABCDEF"),
    ("key", "postgres://bob:hunter2@db/x", "bob:hunter2"),
    ("key", "password=hunter2; then", "hunter2"),
    ("key", "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----", "MIIE"),
]


@pytest.mark.parametrize(("kind", "text", "gone"), TAKEN)
def test_each_kind_is_found(kind: str, text: str, gone: str) -> None:
    redactor = Redactor()
    left = redactor.redacted(text)
    assert gone not in left
    assert f"[{kind} 1]" in left
    assert [found.kind for found in redactor.found] == [Personal(kind)]


@pytest.mark.parametrize(
    "text",
    [
        "The card 4111 1111 1111 1112 fails its check digit.",
        "Order 0000 0000 0000 0000 is empty.",
        "DE89 3704 0044 0532 0130 02 has wrong check digits.",
        "On 2026-03-02 at 09:15:00 it took 123456 ms, 3.14159265 and 1,000,000.",
        "Version 10.20.30, id 550e8400-e29b-41d4-a716-446655440000.",
        "SELECT a @ b, x FROM t WHERE id = 12345678901",
        "Bearer of bad news, and a task-oriented password policy.",
        "Fibonacci: 1 1 2 3 5 8 13 21 34",
    ],
)
def test_numbers_that_are_none_of_these_stay(text: str) -> None:
    assert Redactor().redacted(text) == text


def test_the_same_text_has_one_name_in_a_conversation() -> None:
    redactor = Redactor()
    messages = redactor.redacted(
        [
            {"role": "user", "content": "I am a@b.example, he is c@d.example."},
            {"role": "assistant", "content": [{"type": "text", "text": "Hello a@b.example"}]},
        ],
        "messages",
    )
    assert messages[0]["content"] == "I am [email 1], he is [email 2]."
    assert messages[1]["content"][0]["text"] == "Hello [email 1]"
    assert [found.where for found in redactor.found] == [
        "messages[0].content", "messages[0].content", "messages[1].content[0].text",
    ]  # fmt: skip


def test_arguments_of_a_tool_call_stay_json() -> None:
    arguments = json.dumps({"to": "a@b.example", "card": 4111111111111111, "n": 3})
    call = {"id": "call_12345678901", "function": {"name": "pay", "arguments": arguments}}
    left = Redactor().redacted({"role": "assistant", "tool_calls": [call]})
    inside = json.loads(left["tool_calls"][0]["function"]["arguments"])
    assert inside == {"to": "[email 1]", "card": "[card 1]", "n": 3}
    assert left["tool_calls"][0]["id"] == "call_12345678901"


def test_redacted_text_holds_nothing_more_to_redact() -> None:
    text = " | ".join(text for _, text, _ in TAKEN)
    assert found_in(Redactor().redacted(text)) == []


@pytest.mark.parametrize(
    ("number", "good"),
    [("79927398713", True), ("79927398710", False), ("4111111111111111", True), ("0", True)],
)
def test_luhn_as_published(number: str, good: bool) -> None:
    assert passes_luhn(number) is good


@pytest.mark.parametrize(
    ("number", "good"),
    [
        ("FR1420041010050500013M02606", True),
        ("FR1420041010050500013M02607", False),
        ("MT84MALT011000012345MTLCAST001S", True),
        ("DE89", False),
    ],
)
def test_iban_as_published(number: str, good: bool) -> None:
    assert is_iban(number) is good


# A busy machine draws slowly: that says nothing of what is drawn.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
    )
)  # noqa: E501
def test_anything_may_be_redacted_and_twice_is_once(value: Any) -> None:
    once = Redactor().redacted(value)
    assert Redactor().redacted(once) == once
