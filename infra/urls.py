"""Composition of every page and resource."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from infra.api import my_sign_in, notifications, people, webhooks
from infra.api.brief import BriefView
from infra.api.rights import Rights
from infra.api.search import SearchView
from infra.exposition import ProductMetrics
from infra.views import Health, page_missing, page_refused, server_failed

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("metrics/product", ProductMetrics.as_view(), name="product-metrics"),
    path("api/health/", Health.as_view(), name="health"),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("api/brief/", BriefView.as_view(), name="brief"),
    path("api/invitations/", people.Invitations.as_view(), name="invitations"),
    path(
        "api/invitations/<uuid:invitation_id>/revoke/",
        people.RevokeInvitation.as_view(),
        name="invitation-revoke",
    ),
    path("api/sign-in-locks/", people.SignInLocks.as_view(), name="sign-in-locks"),
    path("api/sign-in-locks/lift/", people.LiftSignInLock.as_view(), name="sign-in-lock-lift"),
    path("api/my-sign-in/", include(my_sign_in.urlpatterns)),
    path("api/my-sessions/", people.OwnSessions.as_view(), name="my-sessions"),
    path(
        "api/my-sessions/end-others/", people.EndOtherSessions.as_view(), name="my-sessions-others"
    ),
    path(
        "api/my-sessions/<int:session_id>/end/",
        people.EndOwnSession.as_view(),
        name="my-session-end",
    ),
    path("api/roles/", Rights.as_view(), name="roles"),
    path("api/search/", SearchView.as_view(), name="search"),
    path("api/webhooks/", webhooks.Endpoints.as_view(), name="webhooks"),
    path("api/webhook-secrets/", webhooks.NewSecret.as_view(), name="webhook-secrets"),
    path("api/webhooks/<slug:name>/test/", webhooks.SendTest.as_view(), name="webhook-test"),
    path("api/webhooks/<slug:name>/switch/", webhooks.Switch.as_view(), name="webhook-switch"),
    path("api/webhook-deliveries/", webhooks.Deliveries.as_view(), name="webhook-deliveries"),
    path(
        "api/webhook-deliveries/<uuid:delivery_id>/again/",
        webhooks.SendAgain.as_view(),
        name="webhook-again",
    ),
    path(
        "api/webhook-deliveries/<uuid:delivery_id>/",
        webhooks.DeliveryView.as_view(),
        name="webhook-delivery",
    ),
    path("api/notifications/", notifications.Notifications.as_view(), name="notifications"),
    path(
        "api/notifications/<uuid:mail_id>/again/",
        notifications.SendMailAgain.as_view(),
        name="notification-again",
    ),
    path("api/notification-choices/", notifications.Choices.as_view(), name="notification-choices"),
    path("api/brief/send/", notifications.SendBrief.as_view(), name="brief-send"),
    path("api/notification-test/", notifications.TestMail.as_view(), name="notification-test"),
    path("api/", include("infra.api.service_keys")),
    path("api/", include("releases.api.urls")),
    path("api/", include("alpha.api.urls")),
    path("api/", include("evals.api.urls")),
    path("partner/", include("alpha.portal.urls")),
    path("console/", include("releases.console.urls")),
    path("console/", include("alpha.console.urls")),
    path("console/", include("evals.console.urls")),
    path("console/", include("infra.console.urls")),
    path("console/", admin.site.urls),
]

handler403 = page_refused
handler404 = page_missing
handler500 = server_failed
