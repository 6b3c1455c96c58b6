"""Pages that belong to no single app."""

from __future__ import annotations

from django.urls import path

from infra.console.audit import AuditPage
from infra.console.deliveries import DeliveryPage
from infra.console.invitations import AcceptInvitation, InvitationsPage
from infra.console.live import stream
from infra.console.locks import LocksPage
from infra.console.my_sign_in import MySignInPage
from infra.console.notifications import NotificationsPage
from infra.console.passkeys import PasskeyOptions, PasskeySignIn
from infra.console.rights import RightsPage
from infra.console.search import SearchPage
from infra.console.service_keys import ServiceKeysPage
from infra.console.sign_in import SecondStep, SignIn, SingleSignOn, single_sign_on_callback
from infra.console.sign_in_again import SignInAgain
from infra.console.webhooks import WebhooksPage

urlpatterns = [
    path("search/", SearchPage.as_view(), name="console-search"),
    path("audit/", AuditPage.as_view(), name="console-audit"),
    path("service-keys/", ServiceKeysPage.as_view(), name="console-service-keys"),
    path("roles/", RightsPage.as_view(), name="console-roles"),
    path("webhooks/", WebhooksPage.as_view(), name="console-webhooks"),
    path(
        "webhooks/deliveries/<uuid:delivery_id>/",
        DeliveryPage.as_view(),
        name="console-webhook-delivery",
    ),
    path("notifications/", NotificationsPage.as_view(), name="console-notifications"),
    # Before the admin's own page of that name and address.
    path("login/", SignIn.as_view(), name="account_login"),
    path("sign-in/second-step/", SecondStep.as_view(), name="mfa_authenticate"),
    path("sign-in/passkey/", PasskeySignIn.as_view(), name="passkey-sign-in"),
    path("sign-in/passkey-options/", PasskeyOptions.as_view(), name="passkey-options"),
    path("sign-in/single-sign-on/", SingleSignOn.as_view(), name="single-sign-on"),
    path(
        "sign-in/<slug:provider_id>/callback/",
        single_sign_on_callback,
        name="openid_connect_callback",
    ),
    path("invitation/<str:token>/", AcceptInvitation.as_view(), name="invitation"),
    path("my-sign-in/", MySignInPage.as_view(), name="console-my-sign-in"),
    path("invitations/", InvitationsPage.as_view(), name="console-invitations"),
    path("sign-in-locks/", LocksPage.as_view(), name="console-sign-in-locks"),
    path("live/", stream, name="console-live"),
    path("sign-in-again/", SignInAgain.as_view(), name="console-sign-in-again"),
]
