"""How long ago a session's person proved who they are: decisions need a recent proof.

A proof is a password, a code of an authenticator app, a recovery code or a passkey; a single
sign-on counts from when the identity provider itself last saw the person.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.http import HttpRequest

from infra import clock

_MARK = "signed_in_at"


def remember_sign_in(request: HttpRequest, at: datetime | None = None) -> None:
    """Note in the session that its person proved who they are, just now or then; never later."""
    now = clock.now()
    request.session[_MARK] = min(at or now, now).isoformat()


def is_recent(request: HttpRequest) -> bool:
    """Whether this session's person proved who they are recently enough to decide something."""
    kept = request.session.get(_MARK)
    limit = timedelta(seconds=settings.REAUTHENTICATE_WITHIN_S)
    return bool(kept) and clock.now() - datetime.fromisoformat(kept) <= limit
