"""One partner: its keys and grants, and the pages beside them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpResponse
from django.urls import reverse

from alpha import selectors
from alpha.access_matrix import loss_of
from alpha.console.forms import (
    AcceptTerms,
    JoinCohort,
    NewGrant,
    NewKey,
    RevokeRow,
    RotateKey,
)
from alpha.console.limit_forms import KeyLimits, PartnerLimits, initial_of, quotas_of
from alpha.console.partners import MANAGERS, granted
from alpha.models import Cohort, Grant, Key, Partner
from alpha.services import grants, keys, limits, partners
from infra import clock
from infra.console.fields import RowWhyForm, WhyForm, end_of
from infra.console.pages import Crumbs, Page
from infra.errors import NotFound

# Ahead of an end so near somebody should rotate.
KEY_ENDS_SOON = timedelta(days=14)


def partner_with(partner_id: UUID) -> Partner:
    """The partner of that id; NotFound."""
    found = Partner.objects.filter(pk=partner_id).first()
    if found is None:
        raise NotFound("no_such_partner", "There is no such partner.")
    return found


class OfPartner(Page):
    """A page below one partner's: its head and its tabs."""

    partner: Partner
    tab = ""

    def load(self, **kwargs: Any) -> None:
        self.partner = partner_with(kwargs["partner_id"])

    def heading(self) -> str:
        return self.partner.name

    def crumbs(self) -> Crumbs:
        return [("Partners", reverse("console-partners")), (self.partner.name, "")]

    def context(self) -> dict[str, Any]:
        return {
            "partner": self.partner,
            "tab": self.tab,
            "cohorts": self.partner.cohorts.all(),
            "may_manage": self.actor.may(*MANAGERS),
            "now": clock.now(),
        }


class PartnerPage(OfPartner):
    """Grants, keys and limits."""

    template_name = "alpha/partner.html"
    tab = "access"
    forms = {
        "key": NewKey,
        "limit_key": KeyLimits,
        "rotate_key": RotateKey,
        "revoke_key": RevokeRow,
        "limit": PartnerLimits,
        "grant": NewGrant,
        "limit_grant": KeyLimits,
        "revoke_grant": RevokeRow,
        "accept": AcceptTerms,
        "join": JoinCohort,
        "leave": RowWhyForm,
        "end": WhyForm,
    }

    def context(self) -> dict[str, Any]:
        now = clock.now()
        in_force = {grant.pk for grant in selectors.grants_in_force(self.partner, now)}
        return {
            **super().context(),
            "keys": self._keys(),
            "soon": now + KEY_ENDS_SOON,
            "grants": [
                (grant, self._limits_of(grant, "limit_grant"), self._effect(grant, in_force))
                for grant in self._grants()
            ],
            "in_force": in_force,
            "n_cohorts": Cohort.objects.count(),
        }

    def form_options(self, name: str) -> dict[str, Any]:
        return {"initial": initial_of(self.partner.quotas)} if name == "limit" else {}

    def _keys(self) -> list[dict[str, Any]]:
        found = list(self.partner.keys.select_related("created_by", "replaces"))
        used = selectors.last_used(found)
        replaced_by = {key.replaces_id: key for key in found if key.revoked_at is None}
        return [
            {
                "key": key,
                "used_at": used.get(key.pk),
                "limits": self._limits_of(key, "limit_key"),
                "successor": replaced_by.get(key.pk),
            }
            for key in found
        ]

    def _effect(self, grant: Grant, in_force: set[UUID]) -> str:
        """What revoking it takes; only where that can be asked."""
        if grant.revoked_at is not None or grant.partner_id is None:
            return ""
        if grant.pk not in in_force:
            return "It serves nobody now."
        return loss_of(grant, self.partner).sentence(self.partner)

    def _limits_of(self, row: Key | Grant, do: str) -> KeyLimits:
        """The form of its limits; as it was typed where it was refused."""
        typed = self.request.POST
        if typed.get("do") == do and typed.get("id") == str(row.pk):
            return KeyLimits(typed, auto_id=f"limits-{row.pk}-%s")
        initial = {**initial_of(row.quotas), "id": row.pk}
        return KeyLimits(initial=initial, auto_id=f"limits-{row.pk}-%s")

    def _grants(self) -> list[Grant]:
        mine = Q(partner=self.partner) | Q(cohort__members__partner=self.partner)
        rows = Grant.objects.filter(mine).select_related("stage__pipeline", "cohort")
        return list(rows.prefetch_related("stage__codenames"))

    def do_key(self, data: dict[str, Any]) -> HttpResponse:
        key, secret = keys.issue_key(
            actor=self.actor,
            partner=self.partner,
            name=data["name"],
            expires_at=end_of(data["expires_on"]),
            allowed_addresses=data["addresses"],
            quotas=quotas_of(data),
        )
        return self._shown_once(key, secret)

    def _shown_once(self, key: Key, secret: str) -> HttpResponse:
        answer = self.shown(issued=key, secret=secret)
        answer["Cache-Control"] = "no-store"
        return answer

    def do_rotate_key(self, data: dict[str, Any]) -> HttpResponse:
        overlap = timedelta(hours=data["overlap_hours"])
        key, secret = keys.rotate_key(
            actor=self.actor, key=self._own_key(data["id"]), overlap=overlap
        )
        return self._shown_once(key, secret)

    def _own_key(self, key_id: UUID) -> Key:
        key = Key.objects.filter(pk=key_id, partner=self.partner).first()
        if key is None:
            raise NotFound("no_such_key", f"{self.partner} has no such key.")
        return key

    def do_limit(self, data: dict[str, Any]) -> str:
        limits.set_partner_limits(
            actor=self.actor, partner=self.partner, quotas=quotas_of(data), reason=data["reason"]
        )
        return f"The limits of {self.partner} hold from the next request on."

    def do_limit_key(self, data: dict[str, Any]) -> str:
        key = self._own_key(data["id"])
        limits.set_key_limits(
            actor=self.actor, key=key, quotas=quotas_of(data), reason=data["reason"]
        )
        return f"The limits of {key} hold from the next request on."

    def do_revoke_key(self, data: dict[str, Any]) -> str:
        key = self._own_key(data["id"])
        keys.revoke_key(actor=self.actor, key=key, reason=data["reason"])
        return f"{key} is revoked: its next request is refused."

    def do_limit_grant(self, data: dict[str, Any]) -> str:
        grant = self._own_grant(data["id"])
        limits.set_grant_limits(
            actor=self.actor, grant=grant, quotas=quotas_of(data), reason=data["reason"]
        )
        return f"The limits of the grant to {grant.stage} hold from the next request on."

    def do_grant(self, data: dict[str, Any]) -> str:
        grant = grants.make_grant(actor=self.actor, partner=self.partner, **granted(data))
        return f"{self.partner} may call {grant.stage} now."

    def do_revoke_grant(self, data: dict[str, Any]) -> str:
        grant = self._own_grant(data["id"])
        grants.revoke_grant(actor=self.actor, grant=grant, reason=data["reason"])
        return f"The grant to {grant.stage} is revoked: the next request is refused."

    def _own_grant(self, grant_id: UUID) -> Grant:
        found = Grant.objects.select_related("stage__pipeline", "partner").filter(pk=grant_id)
        grant = found.filter(partner=self.partner).first()
        if grant is None:
            raise NotFound("no_such_grant", f"{self.partner} has no such grant of its own.")
        return grant

    def do_accept(self, data: dict[str, Any]) -> str:
        grant = self._own_grant(data["id"])
        by = data["accepted_by"]
        grants.accept_terms(actor=self.actor, grant=grant, version=data["version"], accepted_by=by)
        return f"Recorded: {by} accepted the terms {data['version']}."

    def do_leave(self, data: dict[str, Any]) -> str:
        cohort = Cohort.objects.filter(pk=data["id"]).first()
        if cohort is None:
            raise NotFound("no_such_cohort", "There is no such cohort.")
        partners.leave_cohort(
            actor=self.actor, cohort=cohort, partner=self.partner, reason=data["reason"]
        )
        return f"{self.partner} has left {cohort}: its grants serve it no more."

    def do_join(self, data: dict[str, Any]) -> str:
        partners.join_cohort(actor=self.actor, cohort=data["cohort"], partner=self.partner)
        return f"{self.partner} is in {data['cohort']} now."

    def do_end(self, data: dict[str, Any]) -> str:
        partners.end_partner(actor=self.actor, partner=self.partner, reason=data["reason"])
        return f"{self.partner} has ended: its keys and grants are revoked."
