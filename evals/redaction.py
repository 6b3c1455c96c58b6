"""Personal data and secrets taken out of text, by patterns and check digits. Pure.

What has a form is found: e-mail addresses, telephone numbers, keys, cards and IBANs. Names and
postal addresses have none: a person reads the preview.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

RULES_VERSION = 1
"""Changes with the patterns: the same text may then be redacted to another."""
_NOT_TEXT = frozenset({"role", "type", "id", "tool_call_id"})
_KEY_SIGNS = (
    "-----begin", "sk-", "slw_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-",
    "akia", "asia", "aiza", "hf_", "xox", "k_live_", "k_test_", "eyj", "earer ", "://", "passw",
    "api_key=", "api key: ",
)  # fmt: skip
_IBAN_HEAD = re.compile(r"[A-Z]{2}\d{2}")
_DIGITS_TOGETHER = re.compile(r"\d(?:[^\d\n]{0,4}\d){6}")


class Personal(StrEnum):
    """What was found."""

    KEY = "key"
    """A secret: an API key, a token, a password, a private key."""
    EMAIL = "email"
    IBAN = "iban"
    CARD = "card"
    SSN = "ssn"
    PHONE = "phone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """One piece of text that was taken out. Never stored: it holds what was taken out."""

    kind: Personal
    text: str
    put: str
    """What stands there now: `[email 1]`, the same for the same text."""
    where: str
    """A path such as `messages[0].content`."""


def passes_luhn(digits: str) -> bool:
    """Whether the last digit checks the others (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def is_iban(text: str) -> bool:
    """Whether these letters and digits without spaces have an IBAN's check digits (ISO 13616)."""
    if not 15 <= len(text) <= 34:
        return False
    turned = text[4:] + text[:4]
    return int("".join(str(int(sign, 36)) for sign in turned)) % 97 == 1


def _card(found: str) -> str:
    digits = re.sub(r"\D", "", found)
    good = 13 <= len(digits) <= 19 and digits[0] in "23456" and passes_luhn(digits)
    return found if good and len(set(digits)) > 1 else ""


def _iban(found: str) -> str:
    """The longest beginning that ends with a group and is an IBAN."""
    for end in sorted({len(found), *(m.start() for m in re.finditer(" ", found))}, reverse=True):
        if is_iban(found[:end].replace(" ", "")):
            return found[:end]
    return ""


def _phone(found: str) -> str:
    digits = re.sub(r"\D", "", found)
    return found if 8 <= len(digits) <= 15 else ""


def _as_found(found: str) -> str:
    return found


_KEYS = "|".join(
    (
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
        r"\bsk-[A-Za-z0-9_-]{16,}",
        r"\bslw_[A-Za-z0-9]+_[A-Za-z0-9_-]+",
        r"\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_[A-Za-z0-9_]{30,}|\bglpat-[\w-]{20,}",
        r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{35}|\bhf_[A-Za-z0-9]{30,}",
        r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}|\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}",
        r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}",
        r"(?<=[Bb]earer )[A-Za-z0-9._~+/-]{16,}=*",
        r"(?<=://)[^\s/:@]+:[^\s/@]+(?=@)",
        r"(?i:(?<=password=)|(?<=password: )|(?<=passwd=)|(?<=api_key=)|(?<=api key: ))"
        r"""(?!\[)[^\s"',;]+""",
    )
)
_Pattern = tuple[Personal, re.Pattern[str], Callable[[str], str]]
# In this order: what a pattern takes is not looked at by those after it.
_PATTERNS: tuple[_Pattern, ...] = (
    (Personal.KEY, re.compile(_KEYS), _as_found),
    (
        Personal.EMAIL,
        re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)+"),
        _as_found,
    ),
    (
        Personal.IBAN,
        re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){3,8}(?: ?[A-Z0-9])?"),
        _iban,
    ),
    (Personal.CARD, re.compile(r"(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-])"), _card),
    (Personal.SSN, re.compile(r"(?<![\w-])(?!000|666|9)\d{3}-\d{2}-\d{4}(?![\w-])"), _as_found),
    (
        Personal.PHONE,
        re.compile(
            r"(?<![\w.+-])(?<!\d )(?:"
            # International: +49 (0)30 123456, 0044 20 7946 0958
            r"(?:\+|00)[1-9]\d{0,2}[ ./-]?(?:\(\d{1,4}\)[ ./-]?)?\d{1,5}(?:[ ./-]?\d{2,5}){1,4}"
            # North America: (415) 555-0132, 415-555-0132, 415.555.0132
            r"|\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}([.-])\d{3}\1\d{4}"
            # National with a trunk zero: 030 / 123 45 67
            r"|\(?0[1-9]\d{1,4}\)?(?: / |[ /-])\d{2,8}(?:[ -]\d{2,5}){0,3}"
            r")(?![\w-])"
        ),
        _phone,
    ),
)


def _worth_a_look(text: str) -> list[_Pattern]:
    """The patterns that may find something: most texts hold none of their signs."""
    lowered = text.lower()
    signs = {
        Personal.KEY: any(sign in lowered for sign in _KEY_SIGNS),
        Personal.EMAIL: "@" in text,
    }
    has_digits = _DIGITS_TOGETHER.search(text) is not None or _IBAN_HEAD.search(text) is not None
    return [pattern for pattern in _PATTERNS if signs.get(pattern[0], has_digits)]


class Redactor:
    """Takes personal data out of what belongs together: one text gets one name throughout."""

    def __init__(self) -> None:
        self.found: list[Replacement] = []
        self._names: dict[tuple[Personal, str], str] = {}
        self._n: dict[Personal, int] = {}

    def redacted(self, value: Any, where: str = "") -> Any:
        """The value without personal data; `found` grows by what was taken out of it."""
        if isinstance(value, str):
            return self._text(value, where)
        if isinstance(value, Mapping):
            return {key: self._field(key, item, where) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.redacted(item, f"{where}[{at}]") for at, item in enumerate(value)]
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**12:
            text = self._text(str(value), where)
            return value if text == str(value) else text
        return value

    def _field(self, key: str, item: Any, where: str) -> Any:
        place = f"{where}.{key}".lstrip(".")
        if key in _NOT_TEXT and isinstance(item, str):
            return item
        if key == "arguments" and isinstance(item, str):
            return self._arguments(item, place)
        return self.redacted(item, place)

    def _arguments(self, text: str, where: str) -> str:
        """A tool call's arguments stay JSON where they were JSON."""
        try:
            inside = json.loads(text)
        except (ValueError, RecursionError):
            return str(self.redacted(text, where))
        changed = self.redacted(inside, where)
        return text if changed == inside else json.dumps(changed, ensure_ascii=False)

    def _text(self, text: str, where: str) -> str:
        for kind, pattern, check in _worth_a_look(text):
            text = "".join(self._parts(text, kind, pattern, check, where))
        return text

    def _parts(
        self,
        text: str,
        kind: Personal,
        pattern: re.Pattern[str],
        check: Callable[[str], str],
        where: str,
    ) -> Iterator[str]:
        at = 0
        while (match := pattern.search(text, at)) is not None:
            taken = check(match[0])
            end = match.start() + len(taken)
            yield text[at : match.start()]
            yield self._name(kind, taken, where) if taken else match[0]
            at = end if taken else match.end()
        yield text[at:]

    def _name(self, kind: Personal, taken: str, where: str) -> str:
        known = (kind, taken)
        if known not in self._names:
            self._n[kind] = self._n.get(kind, 0) + 1
            self._names[known] = f"[{kind.value} {self._n[kind]}]"
        put = self._names[known]
        self.found.append(Replacement(kind=kind, text=taken, put=put, where=where))
        return put


def found_in(value: Any, where: str = "") -> list[Replacement]:
    """What looks like personal data in the value."""
    redactor = Redactor()
    redactor.redacted(value, where)
    return redactor.found
