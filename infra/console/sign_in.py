"""Signing in: the password, the second proof where there is one, single sign-on."""

from __future__ import annotations

from typing import Any

from allauth.account.stages import LoginStageController
from allauth.account.utils import perform_login
from allauth.mfa.stages import AuthenticateStage
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django import forms
from django.contrib import admin
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.generic import View
from requests import RequestException

from infra import lockouts, second_factors
from infra.accounts import problem_of, refused
from infra.oidc_settings import PROVIDER_ID
from infra.second_factors import factors_of
from infra.single_sign_on import VerifyingAdapter, provider_name


class SignInForm(AuthenticationForm):
    """Username and password; members of staff alone get in, and too many failures lock."""

    def clean(self) -> dict[str, Any]:
        """The attempt is counted before the password is looked at, and given back when it fits."""
        try:
            address = lockouts.address_of(self.request)
            name = self.cleaned_data.get("username", "")
            attempt = lockouts.begin(username=name, address=address)
        except lockouts.TooManyFailures as locked:
            raise forms.ValidationError(locked.message, code=locked.code) from locked
        try:
            cleaned = super().clean()
        except forms.ValidationError as error:
            if error.code == "no_console":
                lockouts.succeeded(attempt)
            else:
                lockouts.failed(attempt)
            raise
        lockouts.succeeded(attempt)
        return cleaned

    def confirm_login_allowed(self, user: AbstractBaseUser) -> None:
        super().confirm_login_allowed(user)
        problem = problem_of(user)
        if problem:
            raise forms.ValidationError(problem, code="no_console")


def wanted_page(request: HttpRequest) -> str:
    """Where `next` leads, when that is a page of this console; else the first page."""
    wanted = request.POST.get("next") or request.GET.get("next", "")
    if url_has_allowed_host_and_scheme(wanted, {request.get_host()}, request.is_secure()):
        return wanted
    return reverse("admin:index")


@method_decorator(never_cache, name="dispatch")
class SignIn(View):
    """The first page of whoever is not signed in."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        if admin.site.has_permission(request):
            return HttpResponseRedirect(wanted_page(request))
        return self._asked(request, SignInForm(request))

    def post(self, request: HttpRequest) -> HttpResponseBase:
        form = SignInForm(request, data=request.POST)
        if not form.is_valid():
            return self._asked(request, form)
        return perform_login(
            request, form.get_user(), email_verification="none", redirect_url=wanted_page(request)
        )

    def _asked(self, request: HttpRequest, form: SignInForm) -> HttpResponse:
        context = {
            **admin.site.each_context(request),
            "form": form,
            "app_path": request.get_full_path(),
            "next": wanted_page(request) if request.GET.get("next") else "",
            "single_sign_on": provider_name(),
        }
        return render(request, "admin/login.html", context)


@method_decorator(never_cache, name="dispatch")
class SecondStep(View):
    """Asks for a code or a passkey after the password, or after the single sign-on."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.stage = pending_stage(request)
        if self.stage is None:
            return HttpResponseRedirect(reverse("admin:login"))
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._asked(request, "")

    def post(self, request: HttpRequest) -> HttpResponseBase:
        assert self.stage is not None  # noqa: S101 - `dispatch` looked
        problem = problem_with_proof(request, self.stage.login.user)
        return self._asked(request, problem) if problem else self.stage.exit()

    def _asked(self, request: HttpRequest, problem: str) -> HttpResponse:
        assert self.stage is not None  # noqa: S101 - `dispatch` looked
        login = self.stage.login.user
        context = {
            **admin.site.each_context(request),
            "login": login,
            "factors": factors_of(login),
            "problem": problem,
        }
        return render(request, "console/second_step.html", context, status=400 if problem else 200)


def pending_stage(request: HttpRequest) -> AuthenticateStage | None:
    """The sign-in of this browser that waits for its second proof."""
    if request.user.is_authenticated:
        return None
    found = LoginStageController.enter(request, AuthenticateStage.key)
    return found if found is not None and found.login.user is not None else None


def problem_with_proof(request: HttpRequest, login: Any) -> str:
    """ "" when the posted password, code or passkey is the login's own; else what to say.

    Wrong ones are counted with the failed sign-ins of the login.
    """
    proof = ProofForm(request.POST)
    if not proof.is_valid():
        return "That could not be read: try once more."
    given = proof.cleaned_data
    if given["credential"]:
        # No secret that could be guessed: not counted, and not locked.
        return _wrong_passkey(login, given["credential"])
    try:
        attempt = lockouts.begin(username=login.username, address=lockouts.address_of(request))
    except lockouts.TooManyFailures as locked:
        return locked.message
    problem = _wrong(login, given, asks_password=request.user.is_authenticated)
    if problem:
        lockouts.failed(attempt)
    else:
        lockouts.succeeded(attempt)
    return problem


class ProofForm(forms.Form):
    """One proof of who it is; exactly one of them is filled in."""

    password = forms.CharField(required=False, strip=False, max_length=1000)
    code = forms.CharField(required=False, max_length=40)
    credential = forms.JSONField(required=False)


def _wrong_passkey(login: Any, credential: Any) -> str:
    right = second_factors.is_right_passkey(login, credential)
    return "" if right else "That passkey does not belong to this login."


def _wrong(login: Any, given: dict[str, Any], *, asks_password: bool) -> str:
    if given["code"]:
        right = second_factors.is_right_code(login, given["code"])
        return "" if right else "That code is wrong, or was used already. Wait for the next one."
    if asks_password and login.check_password(given["password"]):
        return ""
    return "That is not your password." if asks_password else "Type a code or use a passkey."


class SingleSignOn(View):
    """Leads to the identity provider; nothing of how is taken from the address."""

    def post(self, request: HttpRequest) -> HttpResponseBase:
        if not provider_name():
            return refused(request, "No single sign-on is set up here.", status=404)
        provider = get_adapter(request).get_provider(request, PROVIDER_ID)
        try:
            return provider.redirect(
                request, process=AuthProcess.LOGIN, next_url=wanted_page(request)
            )
        except RequestException:
            message = f"{provider.name} does not answer. Use your password, or try again."
            return refused(request, message, status=502)


def single_sign_on_callback(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """Where the identity provider leads back to."""
    if not provider_name() or provider_id != PROVIDER_ID:
        return refused(request, "No single sign-on is set up here.", status=404)
    return OAuth2CallbackView.adapter_view(VerifyingAdapter(request, PROVIDER_ID))(request)
