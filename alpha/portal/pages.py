"""What the partners' own pages share: who may see them, their look, and how refusals show.

Everything on them is of the partner of who is signed in, and calls models by codenames alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.utils.functional import cached_property
from django.utils.http import urlencode
from django.views.generic import View

from alpha.models import Partner, PartnerLogin
from alpha.portal import sessions
from infra.console.pages import Page
from infra.errors import DomainError

PAGES = (
    ("Overview", "partner-home"),
    ("Keys and usage", "partner-keys"),
    ("Notices", "partner-notices"),
    ("Feedback", "partner-feedback"),
    ("Compare", "partner-compare"),
    ("Account", "partner-account"),
)


def shown(
    request: HttpRequest, template: str, context: Mapping[str, Any], status: int = 200
) -> HttpResponse:
    """The page in the look of the product, never kept by any cache."""
    look = {"colors": settings.UNFOLD["COLORS"], "border_radius": settings.UNFOLD["BORDER_RADIUS"]}
    answer = render(request, template, {**look, **context}, status=status)
    patch_cache_control(answer, private=True, no_store=True)
    return answer


class OwnPage(Page):
    """A page for people of one partner; everybody else is led to their sign-in."""

    route = ""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if sessions.current(request) is None:
            asked = urlencode({"next": request.get_full_path()})
            return HttpResponseRedirect(f"{reverse('partner-sign-in')}?{asked}")
        try:
            self.load(**kwargs)
            return View.dispatch(self, request, *args, **kwargs)
        except DomainError as error:
            problem = {"title": "Refused", "message": error.message, "reasons": error.reasons}
            return shown(request, "portal/problem.html", problem, status=error.http_status)

    @cached_property
    def login(self) -> PartnerLogin:
        """Who is signed in."""
        found = sessions.current(self.request)
        if found is None:
            raise RuntimeError("a page of a partner was reached without a sign-in")
        return found

    @property
    def partner(self) -> Partner:
        return self.login.partner

    def shown(
        self,
        *,
        status: int = 200,
        refusal: DomainError | None = None,
        bound: Mapping[str, Form] | None = None,
        **extra: Any,
    ) -> HttpResponse:
        unbound = {name: self.form(name) for name in self.forms if name not in (bound or {})}
        context = {
            "title": self.heading(),
            "login": self.login,
            "partner": self.partner,
            "pages": [(name, reverse(route), route == self.route) for name, route in PAGES],
            "forms": {**unbound, **(bound or {})},
            "refused": next(iter(bound or {}), ""),
            "refusal": refusal,
            **self.context(),
            **extra,
        }
        return shown(self.request, self.template_name, context, status=status)
