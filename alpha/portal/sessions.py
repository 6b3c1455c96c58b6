"""Who of a partner is signed in: a session of its own kind, which no page of the console knows."""

from __future__ import annotations

import hmac

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.middleware.csrf import rotate_token
from django.utils.crypto import salted_hmac

from alpha.models import PartnerLogin

LASTS_S = 12 * 3600
_LOGIN, _MARK = "partner_login", "partner_mark"


def begin(request: HttpRequest, login: PartnerLogin) -> None:
    """Sign in: a new session, so that nothing of the one before is carried over."""
    request.session.flush()
    request.session[_LOGIN] = str(login.pk)
    request.session[_MARK] = _mark_of(login)
    request.session.set_expiry(LASTS_S)
    rotate_token(request)


def end(request: HttpRequest) -> None:
    """Sign out."""
    request.session.flush()


def current(request: HttpRequest) -> PartnerLogin | None:
    """Who is signed in; nobody once the login or its partner has ended, or the password changed."""
    kept = request.session.get(_LOGIN)
    if not kept:
        return None
    rows = PartnerLogin.objects.select_related("partner")
    try:
        login = rows.filter(pk=kept, ended_at=None, partner__ended_at=None).first()
    except ValidationError:
        return None
    mark = str(request.session.get(_MARK, ""))
    if login is None or not hmac.compare_digest(mark, _mark_of(login)):
        return None
    return login


def _mark_of(login: PartnerLogin) -> str:
    return salted_hmac("alpha.portal.sessions", login.password, algorithm="sha256").hexdigest()
