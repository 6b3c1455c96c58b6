"""The partners' own pages."""

from __future__ import annotations

from django.urls import path

from alpha.portal.entry import Invitation, SignIn, SignOut
from alpha.portal.home import Home, OwnTerms
from alpha.portal.keys import Keys
from alpha.portal.reading import Account, Compare, Notices, OwnFeedback

urlpatterns = [
    path("", Home.as_view(), name="partner-home"),
    path("sign-in/", SignIn.as_view(), name="partner-sign-in"),
    path("sign-out/", SignOut.as_view(), name="partner-sign-out"),
    path("invitation/<str:secret>/", Invitation.as_view(), name="partner-invitation"),
    path("terms/<uuid:grant_id>/", OwnTerms.as_view(), name="partner-terms"),
    path("keys/", Keys.as_view(), name="partner-keys"),
    path("notices/", Notices.as_view(), name="partner-notices"),
    path("feedback/", OwnFeedback.as_view(), name="partner-feedback"),
    path("compare/", Compare.as_view(), name="partner-compare"),
    path("account/", Account.as_view(), name="partner-account"),
]
