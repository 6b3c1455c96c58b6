"""Callers of the management API: people with a session, and service keys."""

from __future__ import annotations

from rest_framework.test import APIClient

from infra import clock, service_keys
from infra.actors import Actor
from infra.models import User
from infra.roles import Scope


def signed_in(username: str) -> APIClient:
    """A person who has just given the password."""
    client = APIClient()
    client.force_login(User.objects.get(username=username))
    session = client.session
    session["signed_in_at"] = clock.now().isoformat()
    session.save()
    return client


def with_key(maker: Actor, *scopes: Scope, name: str = "ci") -> APIClient:
    """A pipeline with a service key of its own."""
    _, text = service_keys.make_service_key(actor=maker, name=name, scopes=scopes)
    return with_bearer(text)


def with_bearer(text: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client
