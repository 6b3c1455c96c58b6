"""Single sign-on: the identity provider says who it is, and here that is matched to a login.

Nobody is made by it. The first time, the verified e-mail address has to be that of a person with
a login; from then on the provider's own subject is what counts.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.internal import jwtkit
from allauth.socialaccount.models import SocialAccount, SocialLogin
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest

from infra import audit
from infra.accounts import PROVED_AT, problem_of, refused
from infra.models import Person, User
from infra.people import actor_of_login

log = logging.getLogger(__name__)


class VerifyingAdapter(OpenIDConnectOAuth2Adapter):
    """Looks at the identity token's signature too, however it came."""

    def _decode_id_token(self, app: Any, id_token: str) -> dict[str, Any]:
        claims: dict[str, Any] = jwtkit.verify_and_decode(
            credential=id_token,
            keys_url=self.openid_config["jwks_uri"],
            issuer=self.openid_config["issuer"],
            audience=app.client_id,
            lookup_kid=jwtkit.lookup_kid_jwk,
        )
        return claims


class SingleSignOnAdapter(DefaultSocialAccountAdapter):
    """Matches who comes back from the provider to a login, or refuses with the reason."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return False

    def list_apps(self, request: HttpRequest, **kwargs: Any) -> list[Any]:
        """The provider of the settings alone: none can be added in the database."""
        return [app for app in super().list_apps(request, **kwargs) if app.pk is None]

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        claims = sociallogin.account.extra_data
        token, about = claims.get("id_token") or {}, claims.get("userinfo") or {}
        if not token or (about and about.get("sub") != token.get("sub")):
            self._refuse(request, "The identity provider's answers contradict each other.")
        setattr(request, PROVED_AT, _moment(token.get("auth_time")))
        if not sociallogin.is_existing:
            self._match(request, sociallogin, {**token, **about})
        problem = problem_of(sociallogin.user)
        if problem:
            self._refuse(request, problem)

    def _match(self, request: HttpRequest, sociallogin: SocialLogin, about: dict[str, Any]) -> None:
        email = str(about.get("email") or "")
        if not email or about.get("email_verified") is not True:
            message = "The identity provider sent no verified e-mail address, so nobody is matched."
            self._refuse(request, message)
        login, problem = login_of(email)
        if login is None:
            self._refuse(request, problem)
            return
        if SocialAccount.objects.filter(user=login, provider=sociallogin.account.provider).exists():
            message = "This address's login is tied to another account of the identity provider."
            self._refuse(request, f"{message} Ask an administrator.")
        with transaction.atomic():
            sociallogin.connect(request, login)
            audit.record(
                actor=actor_of_login(login),
                action="login.tied_to_single_sign_on",
                subject=login,
                after={"subject": sociallogin.account.uid, "issuer": about.get("iss")},
            )

    def on_authentication_error(self, request: HttpRequest, provider: Any, **kwargs: Any) -> None:
        log.warning("single sign-on failed: %s %r", kwargs.get("error"), kwargs.get("exception"))
        message = "The sign-in at the identity provider did not come to an end. Begin anew."
        self._refuse(request, message)

    def _refuse(self, request: HttpRequest, message: str) -> None:
        raise ImmediateHttpResponse(refused(request, message))


def login_of(email: str) -> tuple[User | None, str]:
    """The one login that the owner of a verified address comes in by, or why there is none."""
    person = Person.objects.filter(email__iexact=email).first()
    if person is None:
        return None, f"Nobody here has the address {email}. Ask an administrator for an invitation."
    logins = list(person.logins.filter(is_active=True, is_staff=True).select_related("person"))
    named = [login for login in logins if login.email.lower() == email.lower()] or logins
    if len(named) == 1:
        return named[0], ""
    if not named:
        return None, f"{person.name} has no login that may open the console."
    names = ", ".join(login.username for login in named)
    return None, f"{email} has several logins ({names}): sign in with the password of one."


def _moment(seconds: Any) -> datetime | None:
    """`auth_time` of OpenID Connect, seconds of Unix time; None when the provider does not say."""
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not seconds > 0:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def provider_name() -> str:
    """What people call the provider; "" without one."""
    configured = settings.SOCIALACCOUNT_PROVIDERS.get("openid_connect")
    return configured["APPS"][0]["name"] if configured else ""
