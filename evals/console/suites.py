"""Suites: how long they may be trusted, what they hold, and how checkpoints did."""

from __future__ import annotations

from typing import Any

from django.contrib.messages import warning
from django.db.models import QuerySet
from django.urls import reverse

from evals.console.charts import trend_chart
from evals.console.forms import AuditForm, RenewForm
from evals.console.queries import scoreboard, versions_of
from evals.console.sparkline import sparkline
from evals.models import Case, Suite, SuiteVersion
from evals.selectors import suites as reads
from evals.selectors.dead_cases import DeadCases, dead_cases
from evals.selectors.health import Health, health_of, suite_health
from evals.selectors.judge_uses import judge_uses
from evals.services import drafts, suites
from evals.services.health import audit_case
from evals.shelf import WORST_FIRST, notes_of
from evals.states import AuditFinding
from infra import clock
from infra.console.fields import NoForm, WhyForm
from infra.console.pages import Crumbs, Page, page_of
from infra.errors import NotFound
from releases.statistics.suite_status import SuiteStatus


class SuitesPage(Page):
    """All suites with their health, the one that dies next first."""

    template_name = "evals/suites.html"
    title = "Suites"

    def context(self) -> dict[str, Any]:
        today = clock.now().date()
        of_probes = self.request.GET.get("probes") == "1"
        found = health_of(reads.suites(probes=of_probes), today)
        rows = sorted(found, key=lambda row: _dies_at(row[1]))
        return {
            "of_probes": of_probes,
            "rows": [
                (suite, health, [(one, sparkline(one.measured)) for one in health.classes])
                for suite, health in rows
            ],
            "counts": [(state, sum(h.state is state for _, h in rows)) for state in WORST_FIRST],
            "next": next(((s, h) for s, h in rows if h.state is not SuiteStatus.EXPIRED), None),
        }


def _dies_at(health: Health) -> tuple[int, str, str]:
    """The most worn first, then whichever ends first: by forecast, or by its review."""
    forecasts = [one.measured.forecast for one in health.classes if one.measured.forecast]
    first = min([*forecasts, health.review_by.isoformat()])
    return WORST_FIRST.index(health.state), first, health.review_by.isoformat()


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
            "judges": judge_uses(newest, clock.now()) if newest else [],
            "dead": self._dead(newest, health),
            "cases": page_of(self.request, cases, 25),
            "may_edit": self.actor.may(*drafts.EDITORS),
        }

    def _dead(self, newest: SuiteVersion | None, health: Health) -> tuple[str, DeadCases] | None:
        """The dead cases of the size class that the address names; read only when asked for."""
        wanted = self.request.GET.get("dead", "")
        one = next((one for one in health.classes if one.name == wanted), None)
        if newest is None or one is None:
            return None
        found = dead_cases(newest, one.family_id, one.size)
        return None if found is None else (one.name, found)

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
