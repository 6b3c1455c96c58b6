"""Replays: sets of real conversations, and how often checkpoints fail on them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import yaml
from django import forms
from django.http import HttpResponseRedirect
from django.urls import reverse

from evals.catalogues import Catalogue, catalogue_of
from evals.console.forms import CappedForm, runnable_checkpoints
from evals.models import ReplaySet, Result, Run
from evals.selectors import replays as reads
from evals.services import replays as services
from evals.services.comparisons import compare
from evals.services.drafts import EDITORS
from evals.services.runs import STARTERS
from evals.states import RunState
from infra.console.pages import Crumbs, Page, page_of
from infra.errors import DomainError, InvalidInput, NotFound
from releases.models import Checkpoint, Stage

SHOWN_FAILURES = 10


class DrawForm(forms.Form):
    """Which conversations, and what may go wrong in their replies."""

    name = forms.SlugField(max_length=80)
    stage = forms.ModelChoiceField(Stage.objects.none(), empty_label=None)
    since = forms.DateTimeField(
        label="From (UTC)", widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    until = forms.DateTimeField(
        label="Until (UTC)", widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    n = forms.IntegerField(
        label="Conversations", min_value=1, max_value=services.MOST_CONVERSATIONS, initial=500
    )
    partner_cap = forms.IntegerField(
        label="Of one partner at most", required=False, min_value=1, help_text="Empty: a fifth."
    )
    seed = forms.IntegerField(min_value=0, max_value=2**31 - 1, initial=1)
    checkpoint = forms.ModelChoiceField(
        Checkpoint.objects.none(),
        required=False,
        empty_label="of any checkpoint",
        label="Replied by",
    )
    catalogue = forms.CharField(
        label="Failure modes (YAML)",
        max_length=200_000,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
        help_text="modes: each with mode, sentence, severity and grader.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stages = Stage.objects.select_related("pipeline").order_by("pipeline__name", "position")
        self.fields["stage"].queryset = stages  # type: ignore[attr-defined]
        self.fields["checkpoint"].queryset = runnable_checkpoints()  # type: ignore[attr-defined]

    def clean_catalogue(self) -> Catalogue:
        try:
            return catalogue_of(yaml.safe_load(self.cleaned_data["catalogue"]))
        except yaml.YAMLError as error:
            raise forms.ValidationError(f"This is no YAML: {error}") from error
        except DomainError as refusal:
            raise forms.ValidationError(refusal.message) from refusal


class SetChoice(forms.ModelChoiceField):
    """A set by how many calls it takes."""

    def label_from_instance(self, found: ReplaySet) -> str:
        return f"{found}, {found.version.n_cases:,} calls"


class StartForm(CappedForm):
    """A checkpoint on a set."""

    replay_set = SetChoice(
        ReplaySet.objects.none(),
        empty_label=None,
        label="Set",
        help_text="One call a conversation; a smaller set takes fewer.",
    )
    checkpoint = forms.ModelChoiceField(Checkpoint.objects.none(), empty_label=None)
    concurrency = forms.IntegerField(
        min_value=1, max_value=1024, initial=4, help_text="Calls at once."
    )
    field_order = ("replay_set", "checkpoint", "concurrency")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["replay_set"].queryset = reads.replay_sets()  # type: ignore[attr-defined]
        self.fields["checkpoint"].queryset = runnable_checkpoints()  # type: ignore[attr-defined]


class ReplaysPage(Page):
    """Every set and every replay, newest first."""

    template_name = "evals/replays.html"
    title = "Replays"
    forms = {"draw": DrawForm, "start": StartForm}

    def context(self) -> dict[str, Any]:
        runs = Run.objects.filter(version__replay_set__isnull=False)
        runs = runs.select_related("version__suite", "checkpoint").order_by("-created_at")
        sets = list(reads.replay_sets()[:20])
        return {
            "sets": sets,
            "rows": page_of(self.request, runs, 25),
            "may_draw": self.actor.may(*EDITORS) and Stage.objects.exists(),
            "may_start": self.actor.may(*STARTERS) and bool(sets),
        }

    def do_draw(self, data: dict[str, Any]) -> str:
        sampling = services.Sampling(
            **{name: data[name] for name in ("since", "until", "n", "seed", "partner_cap")}
        )
        made = services.draw_set(
            actor=self.actor,
            name=data["name"],
            stage=data["stage"],
            sampling=sampling,
            catalogue=data["catalogue"],
            checkpoint=data["checkpoint"],
        ).replay_set
        return f"{made} holds {made.version.n_cases} conversations of {made.n_partners} partners."

    def do_start(self, data: dict[str, Any]) -> HttpResponseRedirect:
        run = services.start_replay(actor=self.actor, **data)
        return HttpResponseRedirect(reverse("console-replay", args=[run.pk]))


class ReplayPage(Page):
    """One replay: each failure mode with its interval, and where it shows."""

    template_name = "evals/replay.html"
    run: Run

    def load(self, **kwargs: Any) -> None:
        self.run = reads.replay_with_id(kwargs["run_id"])

    def heading(self) -> str:
        return f"{self.run.checkpoint.name} on {self.run.version}"

    def crumbs(self) -> Crumbs:
        return [("Replays", reverse("console-replays")), (self.heading(), "")]

    def context(self) -> dict[str, Any]:
        is_done = self.run.state == RunState.COMPLETED.value
        mode = self.request.GET.get("mode", "")
        found = self.run.version.replay_set
        return {
            "run": self.run,
            "set": found,
            "is_done": is_done,
            "counts": reads.outcomes_of(self.run),
            "rates": reads.mode_rates(self.run) if is_done else [],
            "mode": mode,
            "failing": self._failing(mode) if mode and is_done else [],
            "opened": self._opened(),
            **(self._against() if is_done else {"others": [], "against": None, "deltas": {}}),
        }

    def _failing(self, mode: str) -> Any:
        return page_of(self.request, reads.failing(self.run, mode), SHOWN_FAILURES)

    def _opened(self) -> dict[str, Any] | None:
        """The conversation that `?open=` names, for those who may read it."""
        wanted = self.request.GET.get("open", "")
        if not wanted:
            return None
        result = self._result(wanted)
        try:
            return {**services.read_reply(actor=self.actor, result=result), "id": result.pk}
        except DomainError as refusal:
            return {"refusal": refusal.message, "id": result.pk}

    def _result(self, wanted: str) -> Result:
        try:
            found = Result.objects.select_related("case").get(run=self.run, pk=UUID(wanted))
        except (ValueError, Result.DoesNotExist) as error:
            raise NotFound("no_such_result", "This replay has no such conversation.") from error
        return found

    def _against(self) -> dict[str, Any]:
        """Other checkpoints replayed on the same prefixes, and the one that is compared."""
        others = reads.comparable(self.run)
        wanted = self.request.GET.get("against", "")
        chosen = next((one for one in others if one.checkpoint.name == wanted), None)
        if wanted and chosen is None:
            raise InvalidInput("no_completed_replay", f"{wanted!r} has no replay of this set.")
        other = chosen or next(iter(others), None)
        deltas = {}
        if other is not None:
            made = compare(candidate_run=self.run, baseline_run=other)
            deltas = {one.mode: one for one in reads.mode_deltas(self.run, made)}
        return {"others": others, "against": other, "deltas": deltas}
