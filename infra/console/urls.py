"""Pages that belong to no single app."""

from __future__ import annotations

from django.urls import path

from infra.console.audit import AuditPage
from infra.console.deliveries import DeliveryPage
from infra.console.notifications import NotificationsPage
from infra.console.service_keys import ServiceKeysPage
from infra.console.sign_in import SignInAgain
from infra.console.webhooks import WebhooksPage

urlpatterns = [
    path("audit/", AuditPage.as_view(), name="console-audit"),
    path("service-keys/", ServiceKeysPage.as_view(), name="console-service-keys"),
    path("webhooks/", WebhooksPage.as_view(), name="console-webhooks"),
    path(
        "webhooks/deliveries/<uuid:delivery_id>/",
        DeliveryPage.as_view(),
        name="console-webhook-delivery",
    ),
    path("notifications/", NotificationsPage.as_view(), name="console-notifications"),
    path("sign-in-again/", SignInAgain.as_view(), name="console-sign-in-again"),
]
