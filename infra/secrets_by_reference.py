"""Secrets of upstreams, kept where the operator put them: rows hold `env:NAME` or `file:/path`."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings

from infra.environment import text
from infra.errors import InvalidInput

_ENVIRONMENT = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]{0,99})")
# Whoever may add a deployment chooses where its secret is sent, so Slipway's own are out of reach.
_OWN = ("SLIPWAY_", "AWS_", "PG", "DJANGO_", "CELERY_")
_MAX_BYTES = 8192


def check(ref: str) -> None:
    """InvalidInput unless `ref` is empty, `env:NAME` or `file:/absolute/path`."""
    if not ref or ref.startswith("file:/"):
        return
    found = _ENVIRONMENT.fullmatch(ref)
    if found is None:
        raise InvalidInput(
            "bad_secret_ref",
            "A secret reference is env:NAME or file:/absolute/path; the secret itself is not kept.",
        )
    if found[1].upper().startswith(_OWN):
        raise InvalidInput(
            "bad_secret_ref", f"{ref} names one of Slipway's own settings; use another variable."
        )


def resolve(ref: str) -> str:
    """The secret behind `ref`, "" for an empty one; InvalidInput when it is not there."""
    check(ref)
    if not ref:
        return ""
    kind, _, place = ref.partition(":")
    secret = text(place) if kind == "env" else _from_file(Path(place))
    if not secret:
        raise InvalidInput("secret_missing", f"{ref} is not set where Slipway runs: set it.")
    if not secret.isascii() or not secret.isprintable():
        raise InvalidInput("secret_malformed", f"{ref} must hold one line of printable ASCII.")
    return secret


def _from_file(path: Path) -> str:
    real = path.resolve()
    if real.is_relative_to(Path(settings.STATE_DIR).resolve()):
        raise InvalidInput("bad_secret_ref", f"file:{path} is one of Slipway's own files.")
    try:
        with real.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInput(
            "secret_missing", f"file:{path} can't be read where Slipway runs: {error.strerror}."
        ) from error
    if len(content) > _MAX_BYTES:
        raise InvalidInput("secret_malformed", f"file:{path} is too long for a secret.")
    return content.decode("utf-8", "replace").strip()
