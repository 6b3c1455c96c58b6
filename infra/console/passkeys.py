"""What passes between the browser's passkeys and the server."""

from __future__ import annotations

from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import perform_login
from allauth.mfa.webauthn.internal import auth as webauthn
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import View

from infra.accounts import refused
from infra.console.sign_in import ProofForm, pending_stage, wanted_page
from infra.second_factors import PASSKEY, is_right_passkey
from infra.sign_ins import is_recent


@method_decorator(never_cache, name="dispatch")
class PasskeyOptions(View):
    """A fresh challenge for what the page is about to ask the browser, kept in the session."""

    def post(self, request: HttpRequest) -> JsonResponse:
        purpose = request.POST.get("purpose", "")
        login: Any = request.user
        if purpose == "add" and login.is_authenticated and is_recent(request):
            return JsonResponse(webauthn.begin_registration(login, passwordless=True))
        if purpose == "again" and login.is_authenticated:
            return JsonResponse(webauthn.begin_authentication(login))
        stage = pending_stage(request) if purpose == "second-step" else None
        if stage is not None:
            return JsonResponse(webauthn.begin_authentication(stage.login.user))
        if purpose == "sign-in" and not login.is_authenticated:
            return JsonResponse(webauthn.begin_authentication())
        message = "This page is out of date: reload it."
        return JsonResponse({"code": "out_of_date", "message": message}, status=409)


@method_decorator(never_cache, name="dispatch")
class PasskeySignIn(View):
    """Signs in by a passkey alone: it is on a device, and the device checked who holds it."""

    def post(self, request: HttpRequest) -> HttpResponseBase:
        if request.user.is_authenticated:
            return HttpResponseRedirect(reverse("admin:index"))
        proof = ProofForm(request.POST)
        credential = proof.cleaned_data["credential"] if proof.is_valid() else None
        login = _owner(credential)
        if login is None or not is_right_passkey(login, credential):
            return refused(request, "That passkey is not known here. Use your password.", 400)
        record_authentication(request, login, "mfa", type=PASSKEY.value, passwordless=True)
        return perform_login(
            request, login, email_verification="none", redirect_url=wanted_page(request)
        )


def _owner(credential: Any) -> Any:
    """The login that the passkey says it is of; None when that can't be read."""
    if not isinstance(credential, dict) or not isinstance(credential.get("response"), dict):
        return None
    try:
        return webauthn.extract_user_from_response(credential)
    except (ValidationError, AttributeError):
        return None
