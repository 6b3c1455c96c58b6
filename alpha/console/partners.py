"""All partners: how each is doing, and who may call which stage until when."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from alpha.access_matrix import cohort_losses, matrix
from alpha.console.forms import CohortGrant, NewCohort, NewPartner, RevokeRow
from alpha.console.limit_forms import quotas_of
from alpha.models import Cohort, Grant, Partner
from alpha.partner_glance import glances, listed
from alpha.services import grants, partners
from alpha.services.grants import Consent
from infra.console.fields import end_of
from infra.console.pages import Page, page_of
from infra.errors import NotFound
from infra.roles import Role

MANAGERS = (Role.PARTNER_MANAGER, Role.RELEASE_MANAGER)
_A_PAGE = 50


class PartnersPage(Page):
    """All partners and cohorts."""

    template_name = "alpha/partners.html"
    title = "Partners"
    forms = {
        "partner": NewPartner,
        "cohort": NewCohort,
        "grant": CohortGrant,
        "revoke_grant": RevokeRow,
    }
    made: Partner | None = None

    def context(self) -> dict[str, Any]:
        shown = page_of(self.request, listed(), _A_PAGE)
        cohorts = list(Cohort.objects.prefetch_related("partners", "grants__stage__pipeline"))
        in_force = [partner for partner in shown if partner.ended_at is None]
        return {
            "shown": shown,
            "rows": glances(shown),
            "matrix": matrix(in_force),
            "cohorts": cohorts,
            "losses": cohort_losses(cohorts),
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
