"""A partner's key `slw_<public>_<secret>`: how it is made, read and checked.

The public part finds the row; of the secret only a digest keyed by the installation's pepper is
stored, so neither a copy of the database nor the pepper alone lets anybody in.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import NamedTuple

PREFIX = "slw"
PUBLIC_LENGTH = 12
SECRET_LENGTH = 43
# Neither part holds the separator, and both are plain ASCII: secret scanners match them whole.
PUBLIC_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
SECRET_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + PUBLIC_ALPHABET
PATTERN = re.compile(
    rf"{PREFIX}_([a-z0-9]{{{PUBLIC_LENGTH}}})_([A-Za-z0-9]{{{SECRET_LENGTH}}})", re.ASCII
)


class ParsedKey(NamedTuple):
    """The two parts of a well-formed key."""

    public: str
    secret: str

    def __repr__(self) -> str:
        return f"ParsedKey(public={self.public!r})"


def make_key() -> tuple[str, str, str]:
    """A new key as (public, secret, whole text); the secret has 256 random bits."""
    public = "".join(secrets.choice(PUBLIC_ALPHABET) for _ in range(PUBLIC_LENGTH))
    secret = "".join(secrets.choice(SECRET_ALPHABET) for _ in range(SECRET_LENGTH))
    return public, secret, format_key(public, secret)


def format_key(public: str, secret: str) -> str:
    """The text that a partner puts behind `Bearer`."""
    return f"{PREFIX}_{public}_{secret}"


def parse_key(text: str) -> ParsedKey | None:
    """The parts of `text`; None when it is no key of this shape."""
    match = PATTERN.fullmatch(text)
    return ParsedKey(public=match[1], secret=match[2]) if match else None


def digest_of(secret: str, pepper: str) -> str:
    """HMAC-SHA256 of the secret under the pepper, in hex: what is stored."""
    return hmac.digest(pepper.encode(), secret.encode(), hashlib.sha256).hex()


def secret_matches(secret: str, digest: str, pepper: str) -> bool:
    """Whether `digest` is the secret's, compared over its whole length in constant time."""
    return hmac.compare_digest(digest_of(secret, pepper), digest)
