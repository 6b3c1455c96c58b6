"""Checkpoints: what they are made of, where they answer, where they went."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import Prefetch, QuerySet
from django.http import HttpResponseRedirect
from django.urls import reverse

from infra.console.fields import NoForm, RowWhyForm, WhyForm
from infra.console.pages import Crumbs, Page, page_of
from infra.console.sections import sections_of
from infra.errors import NotFound
from infra.roles import Role
from releases.console import queries
from releases.console.forms import RequestPromotion
from releases.models import Checkpoint, Deployment, Release, Stage
from releases.selectors import checkpoints as reads
from releases.selectors import releases as release_reads
from releases.selectors.blocks import holds_in_force
from releases.selectors.controls import rejection_of
from releases.selectors.forecasts import forecasts
from releases.selectors.promotions import promotions
from releases.services import holds, rejections
from releases.services.promotions import request_promotion, request_set
from releases.states import DeploymentState


class CheckpointsPage(Page):
    """All checkpoints, newest first."""

    template_name = "releases/checkpoints.html"
    title = "Checkpoints"

    def context(self) -> dict[str, Any]:
        family = self.request.GET.get("family", "")
        rows = reads.checkpoints(family, self.request.GET.get("size", ""))
        return {
            "rows": page_of(self.request, self._with_whereabouts(rows)),
            "families": reads.families(),
            "family": family,
        }

    def _with_whereabouts(self, rows: QuerySet[Checkpoint]) -> QuerySet[Checkpoint]:
        live = Release.objects.filter(ended_at=None).select_related("stage__pipeline")
        active = Deployment.objects.filter(state=DeploymentState.ACTIVE.value)
        return rows.prefetch_related(
            Prefetch("releases", live, to_attr="live_now"),
            Prefetch("deployments", active, to_attr="answers_at"),
        )


class CheckpointPage(Page):
    """One checkpoint, and the two things to do with it: promote or hold."""

    template_name = "releases/checkpoint.html"
    forms = {
        "promote": RequestPromotion,
        "hold": WhyForm,
        "lift": RowWhyForm,
        "reject": WhyForm,
        "unreject": WhyForm,
        "confirm_unreject": NoForm,
    }
    decisions = frozenset({"reject", "unreject", "confirm_unreject"})
    checkpoint: Checkpoint

    def load(self, **kwargs: Any) -> None:
        found = reads.checkpoints().filter(pk=kwargs["checkpoint_id"]).first()
        if found is None:
            raise NotFound("no_such_checkpoint", "There is no such checkpoint.")
        self.checkpoint = found

    def heading(self) -> str:
        return self.checkpoint.name

    def crumbs(self) -> Crumbs:
        return [("Checkpoints", reverse("console-checkpoints")), (self.checkpoint.name, "")]

    def form_options(self, name: str) -> dict[str, Any]:
        return {"checkpoint": self.checkpoint} if name == "promote" else {}

    def context(self) -> dict[str, Any]:
        checkpoint = self.checkpoint
        return {
            "checkpoint": checkpoint,
            "lineage": queries.lineage_of(checkpoint),
            "forecasts": forecasts().filter(promotion__checkpoint=checkpoint)[:20],
            "deployments": checkpoint.deployments.all(),
            "prices": checkpoint.prices.all()[:5],
            "releases": release_reads.releases().filter(checkpoint=checkpoint)[:50],
            "promotions": promotions().filter(checkpoint=checkpoint)[:50],
            "holds": holds_in_force().filter(checkpoint=checkpoint),
            "rejection": rejection_of(checkpoint),
            "may_reject": self.actor.may(Role.RELEASE_MANAGER),
            "n_stages": Stage.objects.filter(
                pipeline__family_id=checkpoint.family_id, retired_at=None
            ).count(),
            "may_promote": self.actor.may(Role.ENGINEER, Role.RELEASE_MANAGER),
            "may_hold": self.actor.may(*holds.HOLDERS),
            "sections": sections_of(
                settings.CHECKPOINT_SECTIONS, checkpoint=checkpoint, actor=self.actor
            ),
        }

    def do_promote(self, data: dict[str, Any]) -> HttpResponseRedirect:
        others = list(data.pop("together_with", ()))
        if others:
            asked = [self.checkpoint, *others]
            promotion, *_ = request_set(actor=self.actor, checkpoints=asked, **data)
        else:
            promotion = request_promotion(actor=self.actor, checkpoint=self.checkpoint, **data)
        return HttpResponseRedirect(reverse("console-promotion", args=[promotion.pk]))

    def do_reject(self, data: dict[str, Any]) -> str:
        rejections.reject_checkpoint(
            actor=self.actor, checkpoint=self.checkpoint, reason=data["reason"]
        )
        return f"{self.checkpoint} is rejected: it is live nowhere, and nothing promotes it."

    def do_unreject(self, data: dict[str, Any]) -> str:
        rejections.ask_to_unreject(
            actor=self.actor, checkpoint=self.checkpoint, reason=data["reason"]
        )
        return "Asked for: another release manager has to confirm it."

    def do_confirm_unreject(self, data: dict[str, Any]) -> str:
        rejections.confirm_unreject(actor=self.actor, checkpoint=self.checkpoint)
        return f"{self.checkpoint} is no longer rejected: request its promotion anew."

    def do_hold(self, data: dict[str, Any]) -> str:
        holds.place_hold(actor=self.actor, checkpoint=self.checkpoint, reason=data["reason"])
        return f"{self.checkpoint} is held."

    def do_lift(self, data: dict[str, Any]) -> str:
        hold = release_reads.hold_with_id(data["id"])
        holds.lift_hold(actor=self.actor, hold=hold, reason=data["reason"])
        return "The hold is lifted."
