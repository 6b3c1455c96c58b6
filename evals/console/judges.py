"""Judges: what they ask, how far people agree with them; and the page where people label."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import yaml
from django import forms
from django.contrib.messages import warning
from django.urls import reverse

from evals.formats import yaml_text
from evals.judging import LONGEST_CHOICE
from evals.models import Judge, JudgeVersion, LabelItem, Run
from evals.selectors import judges as reads
from evals.services import calibrations, labels
from evals.services import judges as services
from evals.states import RunState
from infra import clock
from infra.console.fields import WhyForm, text_field
from infra.console.pages import Crumbs, Page
from infra.errors import InvalidInput

CASES_TO_DRAW = 100


class DocumentForm(forms.Form):
    """A judge as a file holds it."""

    document = text_field(
        "The judge",
        rows=12,
        help_text="YAML: name, question, choices, model, prompt; parameters and owner if needed.",
    )


class TermsForm(WhyForm):
    """What a judge is held to, and why it changes."""

    floor = forms.FloatField(
        min_value=0, max_value=0.99, help_text="Kappa with people, lower end of its interval."
    )
    min_labels = forms.IntegerField(label="Labelled cases", min_value=10, max_value=100_000)
    n_raters = forms.IntegerField(label="Raters a case", min_value=1, max_value=20)

    field_order = ["floor", "min_labels", "n_raters", "reason"]


class DrawForm(forms.Form):
    """Outputs of a run to label."""

    run = forms.ModelChoiceField(Run.objects.none(), empty_label=None)
    n_cases = forms.IntegerField(
        label="Cases", min_value=1, max_value=labels.MOST_CASES, initial=CASES_TO_DRAW
    )

    def __init__(self, *args: Any, judge: Judge, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        done = Run.objects.filter(state=RunState.COMPLETED.value)
        naming = [version.pk for version in reads.suites_naming(judge)]
        mine = done.filter(version__in=naming) if naming else done
        found = mine.select_related("version__suite", "checkpoint").order_by("-created_at")
        self.fields["run"].queryset = found  # type: ignore[attr-defined]


class CalibrateForm(forms.Form):
    """Which version is held against the labels."""

    version = forms.ModelChoiceField(JudgeVersion.objects.none(), empty_label=None)

    def __init__(self, *args: Any, judge: Judge, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        found = judge.versions.select_related("judge").order_by("-number")
        self.fields["version"].queryset = found  # type: ignore[attr-defined]


class LabelForm(forms.Form):
    """One keystroke."""

    item = forms.UUIDField()
    choice = forms.CharField(max_length=LONGEST_CHOICE)


class JudgesPage(Page):
    """Every judge, with what its newest version may do."""

    template_name = "evals/judges.html"
    title = "Judges"
    forms = {"create": DocumentForm}

    def context(self) -> dict[str, Any]:
        rows = []
        for judge in reads.judges():
            version, calibration = reads.versions_with_calibration(judge)[0]
            version.judge = judge
            problem = reads.unfit(version, calibration, clock.now())
            rows.append((judge, version, calibration, problem))
        return {"rows": rows, "may_edit": self.actor.may(*services.EDITORS)}

    def do_create(self, data: dict[str, Any]) -> str:
        return _made(self, data["document"])


class JudgePage(Page):
    """One judge: versions, agreement, labelling, terms."""

    template_name = "evals/judge.html"
    forms = {
        "create": DocumentForm,
        "terms": TermsForm,
        "draw": DrawForm,
        "calibrate": CalibrateForm,
    }
    judge: Judge

    def load(self, **kwargs: Any) -> None:
        self.judge = reads.judge_named(kwargs["name"])

    def heading(self) -> str:
        return self.judge.name

    def crumbs(self) -> Crumbs:
        return [("Judges", reverse("console-judges")), (self.judge.name, "")]

    def form_options(self, name: str) -> dict[str, Any]:
        if name in ("draw", "calibrate"):
            return {"judge": self.judge}
        if name == "terms":
            fields = ("floor", "min_labels", "n_raters")
            return {"initial": {field: getattr(self.judge, field) for field in fields}}
        return {"initial": {"document": _document(self.judge)}}

    def context(self) -> dict[str, Any]:
        versions = []
        for version, found in reads.versions_with_calibration(self.judge):
            version.judge = self.judge
            problem = reads.unfit(version, found, clock.now())
            versions.append((version, found, problem))
        shown = next((found for _, found, _ in versions if found), None)
        return {
            "judge": self.judge,
            "versions": versions,
            "shown": shown,
            "rates": reads.rates(shown) if shown else {},
            "table": list(zip(self.judge.scores, shown.table, strict=True)) if shown else [],
            "progress": reads.progress(self.judge, self.actor.person_id),
            "suites": reads.suites_naming(self.judge),
            "may_edit": self.actor.may(*services.EDITORS),
            "may_label": self.actor.may(*labels.RATERS),
        }

    def do_create(self, data: dict[str, Any]) -> str:
        return _made(self, data["document"])

    def do_terms(self, data: dict[str, Any]) -> str:
        services.change_terms(actor=self.actor, judge=self.judge, **data)
        return "The terms are changed; gates that rest on the judge are judged anew."

    def do_draw(self, data: dict[str, Any]) -> str:
        rows = labels.draw_items(
            actor=self.actor, judge=self.judge, run=data["run"], n_cases=data["n_cases"]
        )
        return f"{len(rows)} outputs more are to be labelled."

    def do_calibrate(self, data: dict[str, Any]) -> str:
        made = calibrations.ask_for_calibration(actor=self.actor, version=data["version"])
        if made is None:
            return f"{data['version']} is asked about what people labelled; look again shortly."
        return reads.sentence(made)


class LabelPage(Page):
    """What a rater sees: the case and one output, and nothing that others said of it."""

    template_name = "evals/label.html"
    forms = {"label": LabelForm}
    judge: Judge

    def load(self, **kwargs: Any) -> None:
        self.judge = reads.judge_named(kwargs["name"])

    def heading(self) -> str:
        return f"Label for {self.judge.name}"

    def crumbs(self) -> Crumbs:
        place = reverse("console-judge", args=[self.judge.name])
        return [("Judges", reverse("console-judges")), (self.judge.name, place), ("Label", "")]

    def context(self) -> dict[str, Any]:
        may_label = self.actor.may(*labels.RATERS)
        person_id = self.actor.person_id
        last = reads.last_label(self.judge, person_id) if person_id and may_label else None
        again = "again" in self.request.GET and last is not None
        return {
            "judge": self.judge,
            "item": self._item(last.item if again and last else None, may_label),
            "given": last.choice if again and last else "",
            "again": again,
            "may_go_back": last is not None and not again,
            "choices": list(enumerate(self.judge.scores, start=1)),
            "progress": reads.progress(self.judge, person_id),
            "may_label": may_label,
        }

    def _item(self, again: LabelItem | None, may_label: bool) -> LabelItem | None:
        if again is not None or not may_label:
            return again
        return labels.item_for(actor=self.actor, judge=self.judge)

    def after(self, name: str) -> str:
        return self.request.path

    def do_label(self, data: dict[str, Any]) -> str:
        labels.must_rate(self.actor)
        item = labels.item_with_id(self.judge, UUID(str(data["item"])))
        label = labels.give_label(actor=self.actor, item=item, choice=data["choice"])
        return f"Kept: {label.choice}."


def _made(page: Page, document: str) -> str:
    try:
        found = yaml_text.load(document)
    except yaml.YAMLError as error:
        raise InvalidInput("judge_document", f"The judge is no YAML: {error}.") from error
    made = services.make_version(actor=page.actor, spec=services.spec_of_document(found))
    for stale in made.stale:
        warning(page.request, f"Stale by it: {stale.sentence}")
    return f"{made.version} {'was made' if made.is_new else 'holds exactly this already'}."


def _document(judge: Judge) -> str:
    """The newest version as its file, to change and make the next of."""
    newest = reads.newest(judge)
    whole = {
        "kind": "Judge",
        "name": judge.name,
        "question": judge.question,
        "choices": judge.scores,
        "model": newest.model,
        "prompt": newest.prompt,
        "parameters": newest.parameters,
    }
    return yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=90)
