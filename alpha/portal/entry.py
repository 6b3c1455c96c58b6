"""How people of partners come in and leave: the invitation's link, sign-in, sign-out."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import View

from alpha.portal import sessions
from alpha.portal.pages import shown
from alpha.services import partner_logins
from alpha.services.partner_logins import LONGEST_PASSWORD
from infra.errors import DomainError
from infra.lockouts import address_of


def password_field(label: str, autocomplete: str, help_text: str = "") -> forms.CharField:
    """A password as it was typed: spaces at its ends count."""
    widget = forms.PasswordInput(attrs={"autocomplete": autocomplete})
    return forms.CharField(
        label=label, strip=False, max_length=LONGEST_PASSWORD, widget=widget, help_text=help_text
    )


class SignInForm(forms.Form):
    email = forms.CharField(
        label="E-mail address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autocapitalize": "none"}),
    )
    password = password_field("Password", "current-password")


class ComeInForm(forms.Form):
    """Whoever the link was made for."""

    name = forms.CharField(
        label="Your name", max_length=200, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    password = password_field(
        "A password of your own", "new-password", "At least 8 characters, and not a common one."
    )


@method_decorator(sensitive_post_parameters("password"), name="dispatch")
class SignIn(View):
    """Address and password; leads to where somebody wanted to go."""

    def get(self, request: HttpRequest) -> HttpResponse:
        if sessions.current(request) is not None:
            return HttpResponseRedirect(self._next(request))
        return self._asked(request, SignInForm(auto_id="sign-in-%s"))

    def post(self, request: HttpRequest) -> HttpResponseBase:
        form = SignInForm(request.POST, auto_id="sign-in-%s")
        if not form.is_valid():
            return self._asked(request, form, status=400)
        try:
            address = address_of(request)
            login = partner_logins.sign_in(address=address, **form.cleaned_data)
        except DomainError as refusal:
            return self._asked(request, form, refusal, status=refusal.http_status)
        sessions.begin(request, login)
        return HttpResponseRedirect(self._next(request))

    def _asked(
        self,
        request: HttpRequest,
        form: forms.Form,
        refusal: DomainError | None = None,
        status: int = 200,
    ) -> HttpResponse:
        context = {
            "title": "Sign in",
            "form": form,
            "refusal": refusal,
            "next": self._next(request),
        }
        return shown(request, "portal/sign_in.html", context, status=status)

    def _next(self, request: HttpRequest) -> str:
        wanted = request.POST.get("next") or request.GET.get("next", "")
        home = reverse("partner-home")
        host = {request.get_host()}
        if wanted.startswith(home) and url_has_allowed_host_and_scheme(
            wanted, host, request.is_secure()
        ):
            return wanted
        return home


class SignOut(View):
    """Ends the session."""

    http_method_names = ("post",)

    def post(self, request: HttpRequest) -> HttpResponse:
        sessions.end(request)
        return HttpResponseRedirect(reverse("partner-sign-in"))


@method_decorator(sensitive_post_parameters("password"), name="dispatch")
class Invitation(View):
    """The page of one link: whose it is, and the password that its person sets."""

    def get(self, request: HttpRequest, secret: str) -> HttpResponse:
        return self._asked(request, secret, ComeInForm(auto_id="come-in-%s"))

    def post(self, request: HttpRequest, secret: str) -> HttpResponseBase:
        form = ComeInForm(request.POST, auto_id="come-in-%s")
        if not form.is_valid():
            return self._asked(request, secret, form, status=400)
        try:
            login = partner_logins.accept_invitation(secret=secret, **form.cleaned_data)
        except DomainError as refusal:
            return self._asked(request, secret, form, refusal, status=refusal.http_status)
        sessions.begin(request, login)
        return HttpResponseRedirect(reverse("partner-home"))

    def _asked(
        self,
        request: HttpRequest,
        secret: str,
        form: forms.Form,
        refusal: DomainError | None = None,
        status: int = 200,
    ) -> HttpResponse:
        context: dict[str, Any] = {"title": "Come in", "form": form, "refusal": refusal}
        try:
            context["invitation"] = partner_logins.open_invitation(secret)
        except DomainError as closed:
            context |= {"message": closed.message, "reasons": ()}
            return shown(request, "portal/problem.html", context, status=closed.http_status)
        return shown(request, "portal/invitation.html", context, status=status)
