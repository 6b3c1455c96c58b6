"""Suites: how long they may be trusted, what they hold, and how checkpoints did."""

from __future__ import annotations

from typing import Any

from django.contrib.messages import warning
from django.db.models import QuerySet
from django.urls import reverse

from evals.console.charts import trend_chart
from evals.console.forms import AuditForm, RenewForm
from evals.console.queries import scoreboard, versions_of
from evals.models import Case, Suite, SuiteVersion
from evals.selectors import suites as reads
from evals.selectors.health import health_of, suite_health
from evals.services import drafts, suites
from evals.services.health import audit_case
from evals.shelf import notes_of
from evals.states import AuditFinding
from infra import clock
from infra.console.fields import NoForm, WhyForm
from infra.console.pages import Crumbs, Page, page_of
from infra.errors import NotFound


class SuitesPage(Page):
    """All suites with their health."""

    template_name = "evals/suites.html"
    title = "Suites"

    def context(self) -> dict[str, Any]:
        today = clock.now().date()
        return {"rows": health_of(reads.suites(), today)}


class SuitePage(Page):
    """One suite: health, scores by component and checkpoint, versions, cases."""

    template_name = "evals/suite.html"
    forms = {"renew": RenewForm, "publish": NoForm, "discard": WhyForm, "audit": AuditForm}
    suite: Suite

    def load(self, **kwargs: Any) -> None:
        self.suite = reads.suite_named(kwargs["name"])

    def heading(self) -> str:
        return self.suite.name

    def crumbs(self) -> Crumbs:
        return [("Suites", reverse("console-suites")), (self.suite.name, "")]

    def context(self) -> dict[str, Any]:
        draft = reads.draft(self.suite)
        newest = reads.newest_published(self.suite)
        shown = self._shown(newest or draft)
        cases = self._cases(shown)
        health = suite_health(self.suite, clock.now().date())
        return {
            "suite": self.suite,
            "health": health,
            "classes": [(one, notes_of(one.measured), trend_chart(one)) for one in health.classes],
            "versions": versions_of(self.suite),
            "draft": draft,
            "newest": newest,
            "changes": reads.diff(newest, draft) if newest and draft else None,
            "would_go_stale": reads.stale_by_draft(draft) if draft else [],
            "shown": shown,
            "board": scoreboard(newest) if newest else None,
            "cases": page_of(self.request, cases, 25),
            "may_edit": self.actor.may(*drafts.EDITORS),
        }

    def _cases(self, shown: SuiteVersion | None) -> QuerySet[Case]:
        """The version's cases, or the one that the address names."""
        if shown is None:
            return Case.objects.none()
        cases, wanted = shown.cases.order_by("position"), self.request.GET.get("case", "")
        return cases.filter(case_id=wanted) if wanted else cases

    def _shown(self, fallback: SuiteVersion | None) -> SuiteVersion | None:
        """The version whose cases are listed: the one asked for, or the newest."""
        number = self.request.GET.get("version", "")
        if not number:
            return fallback
        found = self.suite.versions.filter(number=number).first() if number.isdecimal() else None
        if found is None:
            raise NotFound("no_such_version", f"{self.suite} has no version {number}.")
        return found

    def do_renew(self, data: dict[str, Any]) -> str:
        row = suites.renew_suite(actor=self.actor, suite=self.suite, **data)
        return f"Renewed: the next review is due on {row.review_by}."

    def do_audit(self, data: dict[str, Any]) -> str:
        newest = reads.newest_published(self.suite)
        case = newest.cases.filter(case_id=data["case"]).first() if newest else None
        if case is None:
            raise NotFound("no_such_case", f"{self.suite} has no published case {data['case']!r}.")
        finding = AuditFinding(data["finding"])
        audit_case(actor=self.actor, case=case, finding=finding, reason=data["reason"])
        return f"Noted: {case.case_id} is {finding.value}. The suite is measured again."

    def do_publish(self, data: dict[str, Any]) -> str:
        draft = reads.draft(self.suite)
        if draft is None:
            raise NotFound("no_draft", f"{self.suite} has no draft to publish.")
        done = drafts.publish(actor=self.actor, draft=draft)
        for stale in done.stale:
            warning(self.request, f"Stale by it: {stale.sentence}")
        return f"{done.version} is published with {done.version.n_cases} cases."

    def do_discard(self, data: dict[str, Any]) -> str:
        drafts.discard_draft(actor=self.actor, suite=self.suite, reason=data["reason"])
        return "The draft is gone; published versions stay."
