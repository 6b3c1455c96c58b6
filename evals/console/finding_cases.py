"""A finding's remarks made cases: chosen, shown without what is personal, then written."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.messages import success
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from alpha import selectors as alpha_reads
from alpha.models import Finding
from evals.console.training_forms import MakeCasesForm, PlanCasesForm
from evals.models import Case
from evals.services import regression
from evals.services.cases import TRIAGERS
from evals.services.regression import Choice, Plan, Wish
from infra.console.pages import Crumbs, Page


class FindingCasesPage(Page):
    """Plans the cases, and makes them as they were shown."""

    template_name = "evals/finding_cases.html"
    forms = {"plan": PlanCasesForm, "make": MakeCasesForm}
    finding: Finding
    planned: Plan | None = None

    def load(self, **kwargs: Any) -> None:
        self.finding = alpha_reads.finding_of(kwargs["finding_id"])

    def heading(self) -> str:
        return "Cases of a finding"

    def crumbs(self) -> Crumbs:
        back = reverse("console-finding", args=[self.finding.pk])
        return [
            ("Findings", reverse("console-findings")), (self.finding.title, back), ("Cases", "")
        ]  # fmt: skip

    def form_options(self, name: str) -> dict[str, Any]:
        return {"finding": self.finding}

    def context(self) -> dict[str, Any]:
        made = Case.objects.filter(finding=self.finding).select_related("version__suite")
        return {
            "finding": self.finding,
            "planned": self.planned,
            "may_make": self.actor.may(*TRIAGERS),
            "made": made.order_by("version__suite__name", "case_id", "-version__number").distinct(
                "version__suite__name", "case_id"
            )[:100],
        }

    def do_plan(self, data: dict[str, Any]) -> HttpResponse:
        self.planned = regression.plan(actor=self.actor, wish=self._wish(data))
        plan = self.form("plan", self.request.POST)
        shown = self.request.POST.copy()
        shown.update({"digest": self.planned.digest})
        # Unbound, so that what is not yet written, the reason, is no error.
        make = MakeCasesForm(auto_id="make-%s", finding=self.finding, initial=_kept(shown))
        return self.shown(bound={"plan": plan, "make": make})

    def do_make(self, data: dict[str, Any]) -> HttpResponseRedirect:
        rows = regression.make(
            actor=self.actor,
            wish=self._wish(data),
            digest=data["digest"],
            reason=data["reason"],
        )
        suite = data["suite"].name
        success(self.request, f"{len(rows)} in the draft of {suite}: publish it when it is ready.")
        return HttpResponseRedirect(reverse("console-suite", args=[suite]))

    def _wish(self, data: dict[str, Any]) -> Wish:
        return Wish(
            finding=self.finding,
            suite=data["suite"],
            choices=[
                Choice(feedback_id=UUID(one), messages=data["messages"]) for one in data["remarks"]
            ],
            target=data["target"],
            components=data["components"],
            keep_personal=data["keep_personal"],
        )


def _kept(posted: Any) -> dict[str, Any]:
    """The fields as they were typed."""
    names = [name for name in MakeCasesForm.base_fields if name != "reason" and name in posted]
    return {name: posted.getlist(name) if name == "remarks" else posted[name] for name in names}
