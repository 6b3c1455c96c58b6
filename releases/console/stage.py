"""One stage: what is live, what was, what it asks for, and the brakes."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.urls import reverse

from infra import clock
from infra.console.fields import RowWhyForm, WhyForm
from infra.console.pages import Crumbs, Page, page_of
from infra.console.sections import sections_of
from infra.errors import NotFound
from infra.roles import Role
from releases.console import live, queries
from releases.console.forms import ApproveStepForm, FreezeForm, RollBackForm
from releases.freezes import Schedule
from releases.gates.terms import approval_rule, gates_of
from releases.models import Release, Stage
from releases.selectors import pipelines
from releases.selectors import releases as reads
from releases.selectors.blocks import holds_in_force
from releases.selectors.freezes import freeze_with_id, freezes_ahead
from releases.selectors.promotions import open_promotions
from releases.selectors.releases import queued
from releases.services import freezes, holds, ramps
from releases.services import releases as services


class StagePage(Page):
    """Halt, resume, demote and roll back, each naming its effect."""

    template_name = "releases/stage.html"
    forms = {
        "halt": RowWhyForm,
        "resume": RowWhyForm,
        "demote": RowWhyForm,
        "approve_step": ApproveStepForm,
        "end_ramp": RowWhyForm,
        "roll_back": RollBackForm,
        "hold": WhyForm,
        "lift": RowWhyForm,
        "freeze": FreezeForm,
        "end_freeze": RowWhyForm,
    }
    decisions = frozenset({"resume", "demote", "approve_step", "end_ramp", "end_freeze"})
    stage: Stage

    def load(self, **kwargs: Any) -> None:
        self.stage = reads.stage_with_id(kwargs["stage_id"])

    def heading(self) -> str:
        return str(self.stage)

    def crumbs(self) -> Crumbs:
        return [("Board", reverse("console-board")), (self.stage.name, "")]

    def context(self) -> dict[str, Any]:
        history = reads.releases().filter(stage=self.stage, ended_at__isnull=False)
        facts = live.stages([self.stage.pk])[self.stage.pk]
        return {
            "stage": self.stage,
            "live": facts,
            "is_ramping": len(facts) > 1,
            "current": queries.current_by_size(self.stage),
            "codenames": pipelines.open_codenames(self.stage.pk),
            "history": page_of(self.request, history, 20),
            "holds": holds_in_force().filter(stage=self.stage),
            "freezes": freezes_ahead(self.stage, clock.now()),
            "gates": gates_of(self.stage.policy),
            "rule": approval_rule(self.stage.policy),
            "queue": queued(list(open_promotions().filter(stage=self.stage)), clock.now()),
            "may_brake": self.actor.may(Role.RELEASE_MANAGER),
            "may_hold": self.actor.may(*holds.HOLDERS),
            "sections": sections_of(settings.STAGE_SECTIONS, stage=self.stage),
        }

    def _release(self, data: dict[str, Any]) -> Release:
        release = reads.release_with_id(data["id"])
        if release.stage_id != self.stage.pk:
            raise NotFound("no_such_release", f"{self.stage} has no such release.")
        return release

    def do_halt(self, data: dict[str, Any]) -> str:
        release = self._release(data)
        services.halt_release(actor=self.actor, release=release, reason=data["reason"])
        return f"{release.checkpoint} is halted: it gets no further request."

    def do_resume(self, data: dict[str, Any]) -> str:
        release = self._release(data)
        services.resume_release(actor=self.actor, release=release, reason=data["reason"])
        return f"{release.checkpoint} serves again."

    def do_demote(self, data: dict[str, Any]) -> str:
        release = self._release(data)
        left = services.demote_release(actor=self.actor, release=release, reason=data["reason"])
        after = reads.current_release(self.stage, left.size)
        serves = f" {after.checkpoint} serves everybody." if after else ""
        return f"{release.checkpoint} has left {self.stage}.{serves}"

    def do_approve_step(self, data: dict[str, Any]) -> str:
        release = self._release(data)
        after = ramps.approve_step(
            actor=self.actor, release=release, comment=data["comment"], step=data["step"]
        )
        if after.share == release.share:
            return "Your approval is recorded; the step goes on once nothing else is missing."
        return f"{after.checkpoint} serves {after.share} % from now on."

    def do_end_ramp(self, data: dict[str, Any]) -> str:
        release = self._release(data)
        after = ramps.end_ramp(actor=self.actor, release=release, reason=data["reason"])
        return f"{after.checkpoint} is the incumbent of {self.stage} and serves everybody."

    def do_roll_back(self, data: dict[str, Any]) -> str:
        back = services.roll_back(
            actor=self.actor, stage=self.stage, size=data["size"], reason=data["reason"]
        )
        return f"Rolled back: {back.checkpoint} serves {self.stage} again."

    def do_freeze(self, data: dict[str, Any]) -> str:
        name, reason = data.pop("name"), data.pop("reason")
        row = freezes.place_freeze(
            actor=self.actor, name=name, schedule=Schedule(**data), reason=reason, stage=self.stage
        )
        return f"The freeze {row} is in place."

    def do_end_freeze(self, data: dict[str, Any]) -> str:
        row = freezes.end_freeze(
            actor=self.actor, freeze=freeze_with_id(data["id"]), reason=data["reason"]
        )
        return f"The freeze {row} has ended."

    def do_hold(self, data: dict[str, Any]) -> str:
        holds.place_hold(actor=self.actor, stage=self.stage, reason=data["reason"])
        return f"{self.stage} is held: nothing is promoted into it until the hold is lifted."

    def do_lift(self, data: dict[str, Any]) -> str:
        hold = reads.hold_with_id(data["id"])
        holds.lift_hold(actor=self.actor, hold=hold, reason=data["reason"])
        return "The hold is lifted."
