"""Who calls the management API: a service key or a signed-in person."""

from __future__ import annotations

from typing import Any

from rest_framework import exceptions
from rest_framework.authentication import (
    BaseAuthentication,
    SessionAuthentication,
    get_authorization_header,
)
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from infra.actors import Actor
from infra.errors import NotPermitted, Reason
from infra.people import actor_of_login
from infra.service_keys import actor_of_key
from infra.sign_ins import is_recent


class ServiceKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer slk_…`; `request.auth` becomes the key's actor."""

    def authenticate(self, request: Request) -> tuple[None, Actor] | None:
        """None without a bearer header; AuthenticationFailed for a key that is not good now."""
        words = get_authorization_header(request).split()
        if not words or words[0].lower() != b"bearer":
            return None
        text = words[1].decode("ascii", "replace") if len(words) == 2 else ""
        actor = actor_of_key(text)
        if actor is None:
            raise exceptions.AuthenticationFailed(
                "This service key is unknown, expired or revoked."
            )
        return None, actor

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class ConsoleSessionAuthentication(SessionAuthentication):
    """The console's session; `request.auth` becomes the person's actor. POST needs CSRF."""

    def authenticate(self, request: Request) -> tuple[Any, Actor] | None:
        """None without a session."""
        found = super().authenticate(request)
        return None if found is None else (found[0], actor_of_login(found[0]))


class IsKnownActor(BasePermission):
    """Denies whoever is neither signed in nor holds a service key."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.auth, Actor)


class HasRecentSignIn(BasePermission):
    """For decisions: a person's session must have proved who they are recently; keys have none.

    The console asks the same, so that a session left open decides nothing by either way.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        is_session = isinstance(request.successful_authenticator, ConsoleSessionAuthentication)
        if is_session and not is_recent(request._request):
            sentence = "Your sign-in is too old for a decision: confirm that it is you."
            reason = Reason(code="stale_sign_in", sentence=sentence)
            raise NotPermitted("stale_sign_in", sentence, [reason])
        return True


# What a view of a decision asks of its caller.
DECIDES = [IsKnownActor, HasRecentSignIn]


def actor_of(request: Request) -> Actor:
    """The actor that authentication found."""
    if not isinstance(request.auth, Actor):
        raise exceptions.NotAuthenticated()
    return request.auth
