"""One cell of the matrix: what a partner may do in one stage, granted, moved, limited, revoked."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from alpha.access_matrix import cell_of, grants_to, loss_of, names_of
from alpha.console.forms import CellGrant, MoveEnd, RevokeRow
from alpha.console.limit_forms import KeyLimits, initial_of, quotas_of
from alpha.console.partner import OfPartner
from alpha.console.partners import granted
from alpha.models import Grant
from alpha.services import grants, limits
from infra.console.fields import end_of
from infra.console.pages import Crumbs
from infra.errors import NotFound
from releases.models import Stage


class AccessPage(OfPartner):
    """A page of its own, and the dialog that a cell opens."""

    template_name = "alpha/access.html"
    forms = {
        "grant": CellGrant,
        "move_end": MoveEnd,
        "limit_grant": KeyLimits,
        "revoke_grant": RevokeRow,
    }
    stage: Stage

    def load(self, **kwargs: Any) -> None:
        super().load(**kwargs)
        found = Stage.objects.select_related("pipeline").filter(pk=kwargs["stage_id"]).first()
        if found is None:
            raise NotFound("no_such_stage", "There is no such stage.")
        self.stage = found

    def heading(self) -> str:
        return f"{self.partner} in {self.stage}"

    def crumbs(self) -> Crumbs:
        partner = reverse("console-partner", args=[self.partner.pk])
        return [
            ("Partners", reverse("console-partners")),
            (self.partner.name, partner),
            (str(self.stage), ""),
        ]

    def context(self) -> dict[str, Any]:
        held = list(grants_to(self.partner, self.stage))
        own = next((grant for grant in held if grant.partner_id), None)
        return {
            **super().context(),
            "stage": self.stage,
            "names": names_of(self.stage),
            "cell": cell_of(self.partner, self.stage),
            "own": own,
            "by_cohorts": [grant for grant in held if grant.cohort_id],
            "effect": loss_of(own, self.partner).sentence(self.partner) if own else "",
        }

    def form_options(self, name: str) -> dict[str, Any]:
        own = grants_to(self.partner, self.stage).filter(partner=self.partner).first()
        if own is None or name not in ("move_end", "limit_grant"):
            return {}
        given = initial_of(own.quotas) if name == "limit_grant" else {"ends_on": own.ends_at}
        return {"initial": {"id": own.pk, **given}}

    def _own(self, data: dict[str, Any]) -> Grant:
        found = grants_to(self.partner, self.stage).filter(partner=self.partner, pk=data["id"])
        grant = found.first()
        if grant is None:
            message = f"{self.partner} has no such grant of its own: reload the page."
            raise NotFound("no_such_grant", message)
        return grant

    def do_grant(self, data: dict[str, Any]) -> str:
        fields = granted({**data, "stage": self.stage})
        grants.make_grant(actor=self.actor, partner=self.partner, **fields)
        return f"{self.partner} may call {self.stage} now."

    def do_move_end(self, data: dict[str, Any]) -> str:
        grant = grants.move_end(
            actor=self.actor,
            grant=self._own(data),
            ends_at=end_of(data["ends_on"]),
            reason=data["reason"],
        )
        until = f"until {grant.ends_at:%Y-%m-%d %H:%M} UTC" if grant.ends_at else "without an end"
        return f"{self.partner} may call {self.stage} {until}."

    def do_limit_grant(self, data: dict[str, Any]) -> str:
        limits.set_grant_limits(
            actor=self.actor, grant=self._own(data), quotas=quotas_of(data), reason=data["reason"]
        )
        return f"The limits of {self.partner} in {self.stage} hold from the next request on."

    def do_revoke_grant(self, data: dict[str, Any]) -> str:
        grants.revoke_grant(actor=self.actor, grant=self._own(data), reason=data["reason"])
        return f"The grant of {self.partner} to {self.stage} is revoked."

    def after(self, name: str) -> str:
        return reverse("console-partners") + "#access"
