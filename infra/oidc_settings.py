"""Single sign-on by OpenID Connect, switched on by settings alone."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from infra.environment import text

PROVIDER_ID = "sso"
_LOCAL = {"localhost", "127.0.0.1", "::1"}


def single_sign_on(max_age_s: int) -> dict[str, Any]:
    """django-allauth's `SOCIALACCOUNT_PROVIDERS`; {} without SLIPWAY_OIDC_ISSUER.

    `max_age_s` is sent as OpenID Connect's `max_age`: the provider then says in `auth_time` when
    it last saw the person itself. ImproperlyConfigured for half a setting or an open connection.
    """
    issuer, client_id = text("SLIPWAY_OIDC_ISSUER").rstrip("/"), text("SLIPWAY_OIDC_CLIENT_ID")
    if not issuer and not client_id:
        return {}
    parts = urlsplit(issuer)
    if parts.scheme != "https" and parts.hostname not in _LOCAL:
        raise ImproperlyConfigured("SLIPWAY_OIDC_ISSUER must be an https address.")
    if not client_id:
        raise ImproperlyConfigured("SLIPWAY_OIDC_CLIENT_ID is not set: the provider gives it.")
    app = {
        "provider_id": PROVIDER_ID,
        "name": text("SLIPWAY_OIDC_NAME", "single sign-on"),
        "client_id": client_id,
        "secret": text("SLIPWAY_OIDC_CLIENT_SECRET"),
        "settings": {
            "server_url": issuer,
            "oauth_pkce_enabled": True,
            "auth_params": {"max_age": str(max_age_s)},
        },
    }
    return {"openid_connect": {"APPS": [app]}}


def origin_of(providers: dict[str, Any]) -> list[str]:
    """The provider's origin, where the sign-in form may lead (Content-Security-Policy)."""
    if not providers:
        return []
    parts = urlsplit(providers["openid_connect"]["APPS"][0]["settings"]["server_url"])
    return [f"{parts.scheme}://{parts.netloc}"]
