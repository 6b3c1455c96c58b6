"""A partner's people: who is in, who is invited, what they were told, and what they may."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.urls import reverse

from alpha.console.forms import InvitePerson, KeyRight
from alpha.console.partner import OfPartner
from alpha.models import NoticeRecipient, PartnerInvitation, PartnerLogin
from alpha.services import partner_logins
from infra.console.fields import RowWhyForm
from infra.errors import NotFound

_NEWEST = 50


class PartnerPeoplePage(OfPartner):
    """People, invitations and notices."""

    template_name = "alpha/partner_people.html"
    tab = "people"
    forms = {
        "invite": InvitePerson,
        "withdraw": RowWhyForm,
        "end_login": RowWhyForm,
        "key_right": KeyRight,
    }

    def context(self) -> dict[str, Any]:
        told = NoticeRecipient.objects.filter(partner=self.partner)
        related = ("notice", "acknowledged_with", "acknowledged_by")
        invitations = self.partner.invitations.filter(used_at=None, withdrawn_at=None)
        return {
            **super().context(),
            "people": self.partner.people.order_by("ended_at", "name"),
            "invitations": invitations.select_related("created_by"),
            "told": told.select_related(*related).order_by("-notice__sent_at")[:_NEWEST],
        }

    def form_options(self, name: str) -> dict[str, Any]:
        initial = {"may": self.partner.people_may_issue_keys}
        return {"initial": initial} if name == "key_right" else {}

    def do_invite(self, data: dict[str, Any]) -> HttpResponse:
        made, secret = partner_logins.invite(
            actor=self.actor,
            partner=self.partner,
            email=data["email"],
            lasts=timedelta(days=data["days"]),
        )
        link = self.request.build_absolute_uri(reverse("partner-invitation", args=[secret]))
        answer = self.shown(invited=made, link=link)
        answer["Cache-Control"] = "no-store"
        return answer

    def do_withdraw(self, data: dict[str, Any]) -> str:
        found = PartnerInvitation.objects.filter(pk=data["id"], partner=self.partner).first()
        if found is None:
            raise NotFound("no_such_invitation", f"{self.partner} has no such invitation.")
        partner_logins.withdraw_invitation(
            actor=self.actor, invitation=found, reason=data["reason"]
        )
        return f"The link of {found.email} lets nobody in any more."

    def do_end_login(self, data: dict[str, Any]) -> str:
        found = PartnerLogin.objects.filter(pk=data["id"], partner=self.partner).first()
        if found is None:
            raise NotFound("no_such_login", f"{self.partner} has no such person.")
        partner_logins.end_login(actor=self.actor, login=found, reason=data["reason"])
        return f"{found.name} is shut out."

    def do_key_right(self, data: dict[str, Any]) -> str:
        partner_logins.let_issue_keys(
            actor=self.actor, partner=self.partner, may=data["may"], reason=data["reason"]
        )
        return f"People of {self.partner} {'may' if data['may'] else 'may not'} handle its keys."
