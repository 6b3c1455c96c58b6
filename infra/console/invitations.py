"""Invitations: made by administrators, accepted by whoever has the link."""

from __future__ import annotations

from typing import Any

from allauth.account.utils import perform_login
from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import View

from infra import invitations
from infra.accounts import refused
from infra.console.fields import RowWhyForm
from infra.console.pages import Page, page_of
from infra.errors import DomainError
from infra.models import Invitation
from infra.roles import Role


class InviteForm(forms.Form):
    """Who is asked in, and what the login will hold."""

    name = forms.CharField(max_length=200)
    email = forms.EmailField(label="E-mail")
    roles = forms.MultipleChoiceField(
        label="Roles",
        required=False,
        choices=[(role.value, role.value.replace("-", " ").capitalize()) for role in Role],
        widget=forms.CheckboxSelectMultiple,
        help_text="None: the person can look only.",
    )


class InvitationsPage(Page):
    """All invitations; the link of a new one is shown once, for handing over."""

    template_name = "console/invitations.html"
    title = "Invitations"
    forms = {"invite": InviteForm, "revoke": RowWhyForm}

    def context(self) -> dict[str, Any]:
        found = Invitation.objects.select_related("invited_by", "accepted_by")
        return {
            "rows": page_of(self.request, found),
            "may_invite": self.actor.is_administrator,
            "days": invitations.LASTS.days,
        }

    def do_invite(self, data: dict[str, Any]) -> HttpResponse:
        row, token = invitations.invite(
            actor=self.actor,
            email=data["email"],
            name=data["name"],
            roles=[Role(role) for role in data["roles"]],
        )
        not_sent = invitations.send_invitation(row, token)
        answer = self.shown(made=row, link=invitations.link_of(token), not_sent=not_sent)
        answer["Cache-Control"] = "no-store"
        return answer

    def do_revoke(self, data: dict[str, Any]) -> str:
        row = invitations.revoke_invitation(
            actor=self.actor, invitation_id=data["id"], reason=data["reason"]
        )
        return f"The link of {row.email} leads nowhere now."


class AcceptForm(forms.Form):
    """The login that the invited person chooses."""

    username = forms.CharField(label="Login", max_length=150)
    password = forms.CharField(strip=False, max_length=1000)
    again = forms.CharField(label="Password again", strip=False, max_length=1000)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("password") != given.get("again"):
            raise forms.ValidationError("The two passwords differ.")
        return given


@method_decorator(never_cache, name="dispatch")
class AcceptInvitation(View):
    """Opened by a link: shows who invites to what, and makes the login when it is asked to."""

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        return self._asked(request, token, None, "", 200)

    def post(self, request: HttpRequest, token: str) -> HttpResponseBase:
        form = AcceptForm(request.POST)
        if not form.is_valid():
            problem = " ".join(error for errors in form.errors.values() for error in errors)
            return self._asked(request, token, form, problem, 400)
        given = form.cleaned_data
        try:
            login = invitations.accept_invitation(
                token=token, username=given["username"], password=given["password"]
            )
        except DomainError as error:
            return self._asked(request, token, form, error.message, error.http_status)
        return perform_login(
            request, login, email_verification="none", redirect_url=reverse("admin:index")
        )

    def _asked(
        self, request: HttpRequest, token: str, form: AcceptForm | None, problem: str, status: int
    ) -> HttpResponse:
        try:
            row = invitations.invitation_of(token)
        except DomainError as error:
            return refused(request, error.message, error.http_status)
        typed = form.data.get("username", "") if form else row.email.partition("@")[0]
        shell = admin.site.each_context(request)
        context = {**shell, "row": row, "username": typed, "problem": problem}
        answer = render(request, "console/invitation.html", context, status=status)
        # The address is the secret: no page that this one leads to is told it.
        answer["Referrer-Policy"] = "no-referrer"
        return answer
