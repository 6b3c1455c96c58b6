"""Partners: who tries checkpoints early, with which access, and what they used."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpResponse
from django.urls import reverse

from alpha import selectors
from alpha.console.forms import (
    AcceptTerms,
    CohortGrant,
    JoinCohort,
    NewCohort,
    NewGrant,
    NewKey,
    NewPartner,
    RevokeRow,
)
from alpha.console.limit_forms import KeyLimits, PartnerLimits, initial_of, quotas_of
from alpha.models import Cohort, Grant, Key, Partner
from alpha.services import grants, keys, limits, partners
from alpha.services.grants import Consent
from infra import clock
from infra.console.fields import RowWhyForm, WhyForm, end_of
from infra.console.pages import Crumbs, Page
from infra.errors import NotFound
from infra.roles import Role

MANAGERS = (Role.PARTNER_MANAGER, Role.RELEASE_MANAGER)


class PartnersPage(Page):
    """All partners and cohorts."""

    template_name = "alpha/partners.html"
    title = "Partners & keys"
    forms = {
        "partner": NewPartner,
        "cohort": NewCohort,
        "grant": CohortGrant,
        "revoke_grant": RevokeRow,
    }
    made: Partner | None = None

    def context(self) -> dict[str, Any]:
        return {
            "partners": selectors.partners(),
            "cohorts": Cohort.objects.prefetch_related("partners", "grants__stage__pipeline"),
            "may_manage": self.actor.may(*MANAGERS),
        }

    def do_partner(self, data: dict[str, Any]) -> str:
        self.made = partners.make_partner(actor=self.actor, **data)
        return f"{self.made} is a partner now: grant a stage and issue a key."

    def do_cohort(self, data: dict[str, Any]) -> str:
        cohort = partners.make_cohort(actor=self.actor, name=data["name"])
        return f"Cohort {cohort} exists now."

    def do_grant(self, data: dict[str, Any]) -> str:
        cohort = data["cohort"]
        grant = grants.make_grant(actor=self.actor, cohort=cohort, **granted(data))
        return f"Every partner of {cohort} may call {grant.stage} now."

    def do_revoke_grant(self, data: dict[str, Any]) -> str:
        found = Grant.objects.select_related("stage__pipeline", "cohort").filter(pk=data["id"])
        grant = found.filter(cohort__isnull=False).first()
        if grant is None:
            raise NotFound("no_such_grant", "No cohort has such a grant.")
        grants.revoke_grant(actor=self.actor, grant=grant, reason=data["reason"])
        return f"The grant of {grant.cohort} to {grant.stage} is revoked."

    def after(self, name: str) -> str:
        if self.made is None:
            return super().after(name)
        return reverse("console-partner", args=[self.made.pk])


def granted(data: dict[str, Any]) -> dict[str, Any]:
    """What a grant's form says, as the service takes it."""
    return {
        "stage": data["stage"],
        "ends_at": end_of(data["ends_on"]),
        "quotas": quotas_of(data),
        "consent": Consent(
            terms_version=data["terms_version"],
            accepted_by=data["terms_accepted_by"],
            transcripts=data["transcript_consent"],
            transcript_days=data["transcript_days"],
        ),
    }


class PartnerPage(Page):
    """One partner: grants, keys, cohorts and usage."""

    template_name = "alpha/partner.html"
    forms = {
        "key": NewKey,
        "limit_key": KeyLimits,
        "revoke_key": RevokeRow,
        "limit": PartnerLimits,
        "grant": NewGrant,
        "revoke_grant": RevokeRow,
        "accept": AcceptTerms,
        "join": JoinCohort,
        "leave": RowWhyForm,
        "end": WhyForm,
    }
    partner: Partner

    def load(self, **kwargs: Any) -> None:
        found = Partner.objects.filter(pk=kwargs["partner_id"]).first()
        if found is None:
            raise NotFound("no_such_partner", "There is no such partner.")
        self.partner = found

    def heading(self) -> str:
        return self.partner.name

    def crumbs(self) -> Crumbs:
        return [("Partners", reverse("console-partners")), (self.partner.name, "")]

    def context(self) -> dict[str, Any]:
        found = list(self.partner.keys.select_related("created_by"))
        used = selectors.last_used(found)
        now = clock.now()
        return {
            "partner": self.partner,
            "keys": [(key, used.get(key.pk), self._limits_of(key)) for key in found],
            "grants": self._grants(),
            "in_force": {grant.pk for grant in selectors.grants_in_force(self.partner, now)},
            "now": now,
            "usage": selectors.usage_by_codename(self.partner),
            "cohorts": self.partner.cohorts.all(),
            "n_cohorts": Cohort.objects.count(),
            "may_manage": self.actor.may(*MANAGERS),
        }

    def form_options(self, name: str) -> dict[str, Any]:
        return {"initial": initial_of(self.partner.quotas)} if name == "limit" else {}

    def _limits_of(self, key: Key) -> KeyLimits:
        """The form of its limits; as it was typed where it was refused."""
        typed = self.request.POST
        if typed.get("do") == "limit_key" and typed.get("id") == str(key.pk):
            return KeyLimits(typed, auto_id=f"limits-{key.pk}-%s")
        initial = {**initial_of(key.quotas), "id": key.pk}
        return KeyLimits(initial=initial, auto_id=f"limits-{key.pk}-%s")

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
        answer = self.shown(issued=key, secret=secret)
        answer["Cache-Control"] = "no-store"
        return answer

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
