"""Side by side: ask two checkpoints, vote blind, and read what all votes say."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.urls import reverse

from alpha import preferences as reads
from alpha.models import PreferenceSession
from alpha.preference_evidence import sentence_of
from alpha.preference_results import results_of
from alpha.services import preferences
from alpha.services.preference_answers import text_of
from alpha.services.preferences import LONGEST_COMMENT, LONGEST_PROMPT
from alpha.states import Choice, PreferenceState
from infra.console.fields import WhyForm, text_field
from infra.console.pages import Crumbs, Page, page_of
from infra.errors import NotFound, NotPermitted
from releases.models import Checkpoint
from releases.states import DeploymentState

_NEWEST = 200
CHOICES = (
    (Choice.A, "A is better", "1"),
    (Choice.B, "B is better", "2"),
    (Choice.TIE, "Equally good", "3"),
    (Choice.BOTH_BAD, "Both bad", "4"),
)


class AskBoth(forms.Form):
    """What two checkpoints are asked."""

    one = forms.ModelChoiceField(Checkpoint.objects.none(), label="Checkpoint", empty_label=None)
    other = forms.ModelChoiceField(Checkpoint.objects.none(), label="Against", empty_label=None)
    prompt = text_field("Prompt", rows=5, max_length=LONGEST_PROMPT)
    system = text_field("System text", required=False, rows=2, max_length=LONGEST_PROMPT)
    keeps_text = forms.BooleanField(
        required=False,
        label="Keep the text after the vote",
        help_text="Otherwise prompt and answers are dropped as soon as you have voted.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = answering()
        for name in ("one", "other"):
            self.fields[name].queryset = known  # type: ignore[attr-defined]
        self.fields["other"].initial = known[1] if len(known) > 1 else None


def answering() -> Any:
    """The newest checkpoints that have somewhere to answer."""
    newest = (
        Checkpoint.objects.filter(deployments__state=DeploymentState.ACTIVE.value)
        .distinct()
        .order_by("-registered_at")[:_NEWEST]
    )
    known = Checkpoint.objects.filter(pk__in=[checkpoint.pk for checkpoint in newest])
    return known.order_by("-registered_at")


class VoteForm(forms.Form):
    """One key, one thumb."""

    choice = forms.ChoiceField(choices=[(choice.value, words) for choice, words, _ in CHOICES])
    comment = text_field("Why", required=False, rows=2, max_length=LONGEST_COMMENT)


class RevealPairForm(WhyForm):
    """Why the pair is revealed."""


class PreferencesPage(Page):
    """What waits for one's vote, what was compared, and a question to two checkpoints."""

    template_name = "alpha/preferences.html"
    title = "Side by side"
    forms = {"ask": AskBoth}
    asked: PreferenceSession | None = None

    def context(self) -> dict[str, Any]:
        person_id, may_rate = self.actor.person_id, self.actor.may(*preferences.RATERS)
        mine = (
            reads.sessions(person_id=person_id) if person_id else PreferenceSession.objects.none()
        )
        waiting = mine.filter(state=PreferenceState.READY.value)
        return {
            "waiting": list(waiting[:50]),
            "mine": page_of(self.request, mine.exclude(state=PreferenceState.READY.value), 20),
            "pairs": reads.pairs()[:_NEWEST],
            "may_ask": may_rate and answering().count() > 1,
            "may_rate": may_rate,
        }

    def do_ask(self, data: dict[str, Any]) -> str:
        preferences.must_rate(self.actor)
        self.asked = preferences.ask(actor=self.actor, **data)
        return "Both have answered."

    def after(self, name: str) -> str:
        if self.asked is None:
            return super().after(name)
        return reverse("console-preference", args=[self.asked.pk])


class PreferencePage(Page):
    """Two answers and nothing else: who gave which is not on it until somebody reveals it."""

    template_name = "alpha/preference.html"
    title = "Which is better?"
    forms = {"vote": VoteForm, "reveal": WhyForm}
    session: PreferenceSession

    def load(self, **kwargs: Any) -> None:
        self.session = reads.session_of(kwargs["session_id"])

    def crumbs(self) -> Crumbs:
        return [("Side by side", reverse("console-preferences")), (self.title, "")]

    def context(self) -> dict[str, Any]:
        session, state = self.session, self.session.state
        is_own = session.person_id is not None and session.person_id == self.actor.person_id
        text = text_of(session) if is_own else None
        return {
            "session": session,
            "is_own": is_own,
            "is_open": is_own and state == PreferenceState.READY.value,
            "is_revealed": state == PreferenceState.REVEALED.value,
            "vote": getattr(session, "vote", None),
            "asked": text["messages"] if text else [],
            "places": [("A", text["a"]), ("B", text["b"])] if text else [],
            "choices": CHOICES,
            "may_reveal": self.actor.may(*preferences.REVEALERS)
            and state in (PreferenceState.READY.value, PreferenceState.VOTED.value),
        }

    def do_vote(self, data: dict[str, Any]) -> str:
        preferences.vote(
            actor=self.actor,
            session=self.session,
            choice=Choice(data["choice"]),
            comment=data["comment"],
        )
        return "Your vote is kept."

    def do_reveal(self, data: dict[str, Any]) -> str:
        preferences.reveal(actor=self.actor, session=self.session, reason=data["reason"])
        return "Revealed: no vote is taken here any more."


class PreferenceResultsPage(Page):
    """What the votes on two checkpoints say."""

    template_name = "alpha/preference_results.html"
    title = "Blind votes"
    forms = {"reveal": RevealPairForm}
    candidate: Checkpoint
    baseline: Checkpoint

    def load(self, **kwargs: Any) -> None:
        self.candidate, self.baseline = self._named("candidate"), self._named("baseline")

    def _named(self, which: str) -> Checkpoint:
        try:
            found = Checkpoint.objects.filter(pk=UUID(self.request.GET.get(which, ""))).first()
        except ValueError:
            found = None
        if found is None:
            raise NotFound("no_such_checkpoint", f"There is no such {which}: choose a pair again.")
        return found

    def heading(self) -> str:
        return f"{self.candidate.name} against {self.baseline.name}"

    def crumbs(self) -> Crumbs:
        return [("Side by side", reverse("console-preferences")), (self.heading(), "")]

    def context(self) -> dict[str, Any]:
        shared = {"candidate": self.candidate, "baseline": self.baseline}
        try:
            preferences.must_see_results(self.actor, self.candidate, self.baseline)
        except NotPermitted as blind:
            return {**shared, "blind": blind.message}
        votes = reads.votes_on(self.candidate, self.baseline)
        found = results_of(votes.ballots) if votes.ballots else None
        names = reads.rater_names([one.rater for one in found.one_sided]) if found else {}
        return {
            **shared,
            "results": found,
            "sentence": sentence_of(votes) if found else "",
            "one_sided": [(names[one.rater], one) for one in found.one_sided] if found else [],
            "may_reveal": self.actor.may(*preferences.REVEALERS),
        }

    def do_reveal(self, data: dict[str, Any]) -> str:
        n = preferences.reveal_pair(
            actor=self.actor, one=self.candidate, other=self.baseline, reason=data["reason"]
        )
        return f"{n} side by sides are revealed."
