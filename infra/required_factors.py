"""Roles that need a second factor: without one, such a login reaches only the page to set it up."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin

from infra import browser_sessions
from infra.people import actor_of_login
from infra.second_factors import has_factor

# Besides these, what a login without its second factor reaches is the page to set one up.
OPEN = ("console-my-sign-in", "console-sign-in-again", "passkey-options", "admin:logout")


def is_required(login: Any) -> bool:
    """Whether one of the login's roles needs a second factor (SLIPWAY_MFA_ROLES)."""
    if not settings.MFA_ROLES:
        return False
    actor = actor_of_login(login)
    needs = actor.is_administrator and "administrators" in settings.MFA_ROLES
    return needs or any(role.value in settings.MFA_ROLES for role in actor.roles)


class SignedInMiddleware(MiddlewareMixin):
    """Notes when a session was seen, and holds back whom a second factor is required of."""

    def process_request(self, request: HttpRequest) -> HttpResponseBase | None:
        """None lets the request through."""
        if settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return None
        if not request.user.is_authenticated:
            return None
        browser_sessions.note_seen(request)
        return _set_one_up(request) if settings.MFA_ROLES and _is_held_back(request) else None


def _is_held_back(request: HttpRequest) -> bool:
    is_open = request.path in {reverse(name) for name in OPEN}
    is_open = is_open or request.path.startswith(settings.STATIC_URL)
    return not is_open and is_required(request.user) and not has_factor(request.user)  # type: ignore[arg-type]


def _set_one_up(request: HttpRequest) -> HttpResponseBase:
    page = reverse("console-my-sign-in")
    if not request.path.startswith("/api/"):
        return HttpResponseRedirect(page)
    message = f"Your role needs a second factor: set one up in the console, at {page}."
    return JsonResponse({"code": "factor_required", "message": message, "reasons": []}, status=403)
