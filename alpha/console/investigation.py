"""One finding: who said what of it, how often, and what becomes of it."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from alpha import selectors
from alpha.console import finding_forms as asked
from alpha.finding_rates import affected_checkpoints, finding_rates
from alpha.models import Feedback, Finding, NoticeRecipient
from alpha.services import findings, investigations, reconfirmations
from alpha.services.finding_moves import JUDGES
from alpha.states import FINDING_TRANSITIONS, FindingState
from infra.console.fields import NoForm, WhyForm
from infra.console.pages import Crumbs, Page, page_of
from infra.errors import NotFound
from infra.roles import Role
from releases.gates.severity import Severity

_OF_FINDING = frozenset({"isolate", "fixed"})


class FindingPage(Page):
    """Shows one finding; its forms are the steps of an investigation."""

    template_name = "alpha/finding.html"
    forms = {
        "confirm": asked.ConfirmFinding,
        "triage": asked.TriageFinding,
        "give_back": NoForm,
        "isolate": asked.IsolateFinding,
        "fix": WhyForm,
        "fixed": asked.FixedFinding,
        "not_reproduced": asked.NotReproduced,
        "by_design": WhyForm,
        "reconfirm": WhyForm,
        "link": asked.LinkFeedback,
    }
    finding: Finding

    def load(self, **kwargs: Any) -> None:
        self.finding = selectors.finding_of(kwargs["finding_id"])

    def heading(self) -> str:
        return self.finding.title

    def crumbs(self) -> Crumbs:
        return [("Findings", reverse("console-findings")), (self.finding.title, "")]

    def form_options(self, name: str) -> dict[str, Any]:
        found = self.finding
        if name in _OF_FINDING:
            return {"finding": found}
        if name == "confirm":
            return {"initial": {"severity": found.severity}}
        if name == "triage":
            labels = ", ".join(found.labels)
            initial = {"severity": found.severity, "owner": found.owner_id, "labels": labels}
            return {"initial": initial}
        return {}

    def context(self) -> dict[str, Any]:
        found = self.finding
        owns = self.actor.person_id in _owners(found)
        reports = found.reports.select_related("feedback__partner", "feedback__checkpoint")
        moves = FINDING_TRANSITIONS[FindingState(found.state)]
        return {
            "finding": found,
            "reports": page_of(self.request, reports),
            "rates": finding_rates(found),
            "affected": affected_checkpoints(found),
            "answers": NoticeRecipient.objects.filter(notice__finding=found).select_related(
                "notice", "partner"
            ),
            "owns": owns,
            "moves": {state.value: True for state in moves},
            "isolated": self.form("isolate").fields["component"].choices,  # type: ignore[attr-defined]
            "may_judge": self.actor.may(*JUDGES) and not owns,
            "may_triage": self.actor.may(*JUDGES),
            "may_work": self.actor.may(*JUDGES, Role.ENGINEER),
        }

    def do_confirm(self, data: dict[str, Any]) -> str:
        severity = Severity(data["severity"])
        findings.confirm_finding(**self._because(data), severity=severity)
        return f"It is a weakness, {severity}: what causes it is being looked for."

    def do_triage(self, data: dict[str, Any]) -> str:
        severity = Severity(data["severity"])
        findings.triage_finding(
            actor=self.actor,
            finding=self.finding,
            owner=data["owner"],
            severity=severity if severity != self.finding.severity else None,
            labels=data["labels"],
        )
        return "Noted."

    def do_give_back(self, data: dict[str, Any]) -> str:
        findings.triage_finding(actor=self.actor, finding=self.finding, unassign=True)
        return "Nobody sees to it now."

    def do_isolate(self, data: dict[str, Any]) -> str:
        component, probe_id = data["component"]
        investigations.isolate_finding(
            **self._because(data), component=component, probe_id=probe_id
        )
        return f"Isolated to {component}."

    def do_fix(self, data: dict[str, Any]) -> str:
        investigations.start_fix(**self._because(data))
        return "It is being fixed."

    def do_fixed(self, data: dict[str, Any]) -> str:
        investigations.close_as_fixed(**self._because(data), checkpoint=data["checkpoint"])
        return "Fixed: its reporters are asked as soon as they can call that checkpoint."

    def do_not_reproduced(self, data: dict[str, Any]) -> str:
        investigations.close_as_not_reproduced(
            **self._because(data), tried=data["tried"], detectable_rate=data["detectable_rate"]
        )
        return "Closed as not reproduced."

    def do_by_design(self, data: dict[str, Any]) -> str:
        investigations.close_by_design(**self._because(data))
        return "Closed as meant to be so."

    def do_reconfirm(self, data: dict[str, Any]) -> str:
        reconfirmations.reconfirm_finding(**self._because(data))
        return "Its reporter agreed."

    def do_link(self, data: dict[str, Any]) -> str:
        remark = Feedback.objects.select_related("partner").filter(pk=data["feedback"]).first()
        if remark is None:
            raise NotFound("no_such_feedback", "There is no such feedback.")
        findings.link_feedback(actor=self.actor, finding=self.finding, feedback=remark)
        return f"What {remark.partner} said is linked."

    def _because(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"actor": self.actor, "finding": self.finding, "reason": data["reason"]}


def _owners(finding: Finding) -> set[Any]:
    owners = {finding.checkpoint.owner_id}
    return owners | ({finding.fixed_in.owner_id} if finding.fixed_in else set())
