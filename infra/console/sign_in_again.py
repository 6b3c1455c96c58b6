"""Proving once more who it is: decisions need a recent sign-in."""

from __future__ import annotations

from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.generic import View

from infra.console.sign_in import problem_with_proof, wanted_page
from infra.second_factors import factors_of
from infra.sign_ins import remember_sign_in
from infra.single_sign_on import provider_name


class SignInAgain(View):
    """Asks a signed-in person for a password, a code or a passkey, and leads back."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not admin.site.has_permission(request):
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._asked(request, problem="", status=200)

    def post(self, request: HttpRequest) -> HttpResponseBase:
        problem = problem_with_proof(request, request.user)
        if problem:
            return self._asked(request, problem=problem, status=400)
        request.session.cycle_key()
        remember_sign_in(request)
        return HttpResponseRedirect(wanted_page(request))

    def _asked(self, request: HttpRequest, problem: str, status: int) -> HttpResponse:
        login: Any = request.user
        comes_from_provider = SocialAccount.objects.filter(user=login).exists()
        context = {
            **admin.site.each_context(request),
            "title": "Confirm that it is you",
            "problem": problem,
            "next": wanted_page(request),
            "factors": factors_of(login),
            "has_password": login.has_usable_password(),
            "single_sign_on": provider_name() if comes_from_provider else "",
        }
        return render(request, "console/sign_in_again.html", context, status=status)
