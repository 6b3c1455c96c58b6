"""Signing in, and how long ago that was: decisions need a recent one."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.generic import View

from infra.sign_ins import remember_sign_in


class SignInForm(AuthenticationForm):
    """Username and password; members of staff alone get in."""

    def confirm_login_allowed(self, user: AbstractBaseUser) -> None:
        super().confirm_login_allowed(user)
        if not getattr(user, "is_staff", False):
            raise forms.ValidationError("This login may not open the console.", code="no_console")
        if self.request is not None:
            remember_sign_in(self.request)


class SignInAgain(View):
    """Asks a signed-in person for the password and leads back to the decision."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not admin.site.has_permission(request):
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._asked(request, problem="", status=200)

    def post(self, request: HttpRequest) -> HttpResponseBase:
        if not request.user.check_password(request.POST.get("password", "")):
            return self._asked(request, problem="That is not your password.", status=400)
        remember_sign_in(request)
        return HttpResponseRedirect(self._back(request))

    def _asked(self, request: HttpRequest, problem: str, status: int) -> HttpResponse:
        context = {
            **admin.site.each_context(request),
            "title": "Confirm that it is you",
            "problem": problem,
            "next": self._back(request),
        }
        return render(request, "console/sign_in_again.html", context, status=status)

    def _back(self, request: HttpRequest) -> str:
        wanted = request.POST.get("next") or request.GET.get("next", "")
        if url_has_allowed_host_and_scheme(wanted, {request.get_host()}, request.is_secure()):
            return wanted
        return reverse("admin:index")
