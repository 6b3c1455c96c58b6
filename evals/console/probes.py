"""Probes: what is suspected, reviewed, under way, and isolated; and the page where people rate."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import yaml
from django.http import HttpResponseRedirect
from django.urls import reverse

from alpha.models import Finding
from evals import outputs
from evals.console.forest import Forest, forest_of
from evals.console.forms import runnable_checkpoints
from evals.console.probe_forms import (
    SEPARATOR,
    DesignForm,
    EditPairForm,
    NothingForm,
    RateForm,
    ReviewForm,
    WriteForm,
)
from evals.formats import yaml_text
from evals.models import Probe
from evals.probes.effects import Outcome
from evals.probes.planning import design_sentence
from evals.selectors import probes as reads
from evals.selectors.progress import progress
from evals.services.labels import RATERS
from evals.services.probes import concluding, design, documents, rating, review, running
from evals.states import PairState, ProbeState
from infra.console.fields import WhyForm
from infra.console.pages import Crumbs, Page, page_of
from infra.errors import InvalidInput
from releases.statistics.verdicts import Verdict

PAIRS_AT_ONCE = 20
PROMPTS_TO_CHANGE = 40
"""So many stand in the form; more are written below them."""
_TONES = {
    Outcome.ISOLATED.value: Verdict.BETTER,
    Outcome.WORSENS.value: Verdict.WORSE,
    Outcome.NOT_SHOWN.value: Verdict.INCONCLUSIVE,
    Outcome.INSUFFICIENT.value: Verdict.INSUFFICIENT,
}


class ProbesPage(Page):
    """Every probe, or those of one finding, and the form that designs one."""

    template_name = "evals/probes.html"
    title = "Probes"
    forms = {"design": DesignForm}
    finding_id: UUID | None = None

    def load(self, **kwargs: Any) -> None:
        try:
            self.finding_id = UUID(self.request.GET.get("finding", ""))
        except ValueError:
            self.finding_id = None

    def form_options(self, name: str) -> dict[str, Any]:
        return {"initial": {"finding": self.finding_id}} if self.finding_id else {}

    def context(self) -> dict[str, Any]:
        return {
            "rows": page_of(self.request, reads.probes(self.finding_id), 40),
            "finding": Finding.objects.filter(pk=self.finding_id).first(),
            "may_design": self.actor.may(*design.DESIGNERS),
            "can_design": Finding.objects.exists() and runnable_checkpoints().exists(),
        }

    def do_design(self, data: dict[str, Any]) -> HttpResponseRedirect:
        texts = [text.strip() for text in _split(data["prompts"])]
        document = {
            "finding": str(data["finding"].pk),
            "title": data["title"],
            "checkpoints": [checkpoint.name for checkpoint in data["checkpoints"]],
            "from_remarks": data["from_remarks"],
            "prompts": [
                {"messages": [{"role": "user", "content": text}]} for text in texts if text
            ],
            "graders": data["graders"],
            "repeats": data["repeats"],
            **({"templates": data["templates"]} if data["templates"] else {}),
        }
        made = documents.create_from_document(actor=self.actor, document=document)
        return HttpResponseRedirect(reverse("console-probe", args=[made.pk]))


class ProbePage(Page):
    """One probe: its design and review, then its progress, then what it came to."""

    template_name = "evals/probe.html"
    forms = {
        "review": ReviewForm,
        "edit": EditPairForm,
        "write": WriteForm,
        "start": NothingForm,
        "conclude": WhyForm,
        "abandon": WhyForm,
    }
    probe: Probe

    def load(self, **kwargs: Any) -> None:
        self.probe = reads.probe_with_id(kwargs["probe_id"])

    def heading(self) -> str:
        return self.probe.title

    def crumbs(self) -> Crumbs:
        return [("Probes", reverse("console-probes")), (self.probe.title, "")]

    def form_options(self, name: str) -> dict[str, Any]:
        if name != "write" or not self._may_change():
            return {}
        prompts = dict(list(_messages(self.probe).items())[:PROMPTS_TO_CHANGE])
        return {"initial": {"changed": yaml_text.dump(prompts, is_large=True)}}

    def _may_change(self) -> bool:
        return self.probe.state == ProbeState.DRAFT.value and self.actor.may(*design.DESIGNERS)

    def context(self) -> dict[str, Any]:
        probe, may_design = self.probe, self.actor.may(*design.DESIGNERS)
        result = probe.result or {}
        return {
            "probe": probe,
            "design": design_sentence(reads.design_of(probe)),
            "hypotheses": reads.hypotheses_of(probe),
            "pairs": self._pairs() if may_design else None,
            "members": [
                (one.checkpoint, one.run, progress(one.run) if one.run else None)
                for one in probe.probe_runs.select_related("checkpoint", "run")
            ],
            "result": result,
            "forest": _forest(result),
            "rated": reads.is_rated_by_people(probe),
            "ratings": reads.rating_progress(probe, self.actor.person_id),
            "may_design": may_design,
            "may_rate": self.actor.may(*RATERS),
            "may_review": self._may_change(),
            "cost": result or concluding.cost_of(probe),
        }

    def _pairs(self) -> Any:
        found = reads.pairs_of(self.probe)
        wanted = self.request.GET.get("hypothesis", "")
        found = found.filter(hypothesis__name=wanted) if wanted else found
        return page_of(self.request, found, PAIRS_AT_ONCE)

    def do_review(self, data: dict[str, Any]) -> str:
        ids = [data["pair"]] if data["pair"] else []
        if data["hypothesis"]:
            named = reads.pairs_of(self.probe).filter(hypothesis__name=data["hypothesis"])
            ids = list(named.values_list("pk", flat=True))
        approve = data["decision"] == "approve"
        found = review.review_pairs(
            actor=self.actor, probe=self.probe, pair_ids=ids, approve=approve
        )
        state = PairState.APPROVED if approve else PairState.DROPPED
        return f"{len(found)} pair{'s' if len(found) > 1 else ''} {state.value}."

    def do_edit(self, data: dict[str, Any]) -> str:
        try:
            changed = yaml_text.load(data["changed"])
        except yaml.YAMLError as error:
            raise InvalidInput("pair_fields", f"That is no JSON: {error}.") from error
        if not isinstance(changed, dict):
            raise InvalidInput(
                "pair_fields", "Write one object: messages, tools, request, serving."
            )
        pair = reads.pair_with_id(self.probe, data["pair"])
        review.edit_pair(actor=self.actor, pair=pair, changed=changed)
        return "The pair is changed, and approved by you."

    def do_write(self, data: dict[str, Any]) -> str:
        """Prompts that were left as they were say nothing of the suspicion: they make no pair."""
        were = {str(number): said for number, said in _messages(self.probe).items()}
        changed = {n: said for n, said in data["changed"].items() if were.get(str(n)) != said}
        if not changed:
            raise InvalidInput("nothing_changed", "Every prompt is as it was: change some.")
        made = documents.write_from_document(
            actor=self.actor, probe=self.probe, document={**data, "changed": changed}
        )
        return f"{made.component}: {len(changed)} pairs wait for a person."

    def do_start(self, data: dict[str, Any]) -> str:
        running.start_probe(actor=self.actor, probe=self.probe)
        return "Its runs are queued; what was approved never changes now."

    def do_conclude(self, data: dict[str, Any]) -> str:
        concluding.conclude_probe(actor=self.actor, probe=self.probe, **data)
        return "It is concluded."

    def do_abandon(self, data: dict[str, Any]) -> str:
        design.abandon_probe(actor=self.actor, probe=self.probe, **data)
        return "It is given up; what its runs answered stays."


class RatePage(Page):
    """What a rater sees: the original question and one answer, neither arm nor checkpoint."""

    template_name = "evals/probe_rate.html"
    forms = {"rate": RateForm}
    probe: Probe

    def load(self, **kwargs: Any) -> None:
        self.probe = reads.probe_with_id(kwargs["probe_id"])

    def heading(self) -> str:
        return "Rate answers"

    def crumbs(self) -> Crumbs:
        place = reverse("console-probe", args=[self.probe.pk])
        return [("Probes", reverse("console-probes")), (self.probe.title, place), ("Rate", "")]

    def context(self) -> dict[str, Any]:
        may_rate = self.actor.is_person and self.actor.may(*RATERS)
        answer = rating.next_answer(actor=self.actor, probe=self.probe) if may_rate else None
        output = outputs.unpack(answer.result.output) if answer else None
        return {
            "probe": self.probe,
            "answer": answer if self.probe.state == ProbeState.RUNNING.value else None,
            "text": output.text if output else "",
            "messages_asked": answer.prompt.asked["messages"] if answer else [],
            "ratings": reads.rating_progress(self.probe, self.actor.person_id),
            "may_rate": may_rate,
        }

    def do_rate(self, data: dict[str, Any]) -> str:
        failed = data["choice"] == "fails"
        rating.rate_answer(
            actor=self.actor, probe=self.probe, answer_id=data["answer"], failed=failed
        )
        return "Kept."


def _messages(probe: Probe) -> dict[int, Any]:
    """What each prompt asks, by its number."""
    return {prompt.number: prompt.asked["messages"] for prompt in probe.prompts.order_by("number")}


def _split(text: str) -> list[str]:
    """Prompts between lines of dashes."""
    found: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.strip() == SEPARATOR:
            found.append([])
        else:
            found[-1].append(line)
    return ["\n".join(lines) for lines in found]


def _forest(result: dict[str, Any]) -> Forest | None:
    """The effects on one scale: to the right where the change makes failures rarer."""
    if not result.get("effects"):
        return None
    nodes = [
        {
            **row,
            "node": row["hypothesis"],
            "delta": row["effect"],
            "corrected_verdict": _TONES[row["outcome"]].value,
        }
        for row in result["effects"]
    ]
    return forest_of(nodes, margin=0.0, suite="")
