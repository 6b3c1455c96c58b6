"""How long ago a session's person proved who they are: decisions need a recent proof."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.http import HttpRequest

from infra import clock

_MARK = "signed_in_at"


def remember_sign_in(request: HttpRequest) -> None:
    """Note in the session that its person proved who they are just now."""
    request.session[_MARK] = clock.now().isoformat()


def is_recent(request: HttpRequest) -> bool:
    """Whether this session's person gave the password recently enough to decide something."""
    kept = request.session.get(_MARK)
    limit = timedelta(seconds=settings.REAUTHENTICATE_WITHIN_S)
    return bool(kept) and clock.now() - datetime.fromisoformat(kept) <= limit
