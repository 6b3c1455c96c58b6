"""Text of others as a terminal may show it: seen, never obeyed."""

from __future__ import annotations

# ASCII's control characters as their pictures; a line may end and be indented.
_PICTURES = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\t"}
_PICTURES |= {0x7F: "\u2421"}
# Eight-bit controls, which some terminals obey like ESC sequences.
_EIGHT_BIT = dict.fromkeys(range(0x80, 0xA0), "\ufffd")
# Marks that turn the direction of what follows, so that a line reads as another.
_TURNING = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_NAMED = {code: f"<U+{code:04X}>" for code in _TURNING}
_INERT = _PICTURES | _EIGHT_BIT | _NAMED


def inert(text: str) -> str:
    """The text with every control character and direction mark made visible."""
    return text.translate(_INERT)
