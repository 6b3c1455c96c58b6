"""Blind side by sides from the command line."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import CommandParser

from alpha import preferences as reads
from alpha.api.preference_shapes import PreferenceAnswersOut, PreferenceResultsOut
from alpha.api.preferences import own, results_told
from alpha.services import preferences
from alpha.states import Choice, PreferenceState
from infra.cli import SlipwayCommand, add_actions
from infra.errors import InvalidInput
from releases.selectors.checkpoints import checkpoint_named

_NEWEST = 200


def asking(parser: CommandParser) -> None:
    """have two checkpoints answer a prompt, and see both answers without their names"""
    parser.add_argument("checkpoints", nargs=2)
    parser.add_argument("--prompt", required=True)
    parser.add_argument("--system", default="", help="the client's own system text")
    parser.add_argument("--keep-text", action="store_true", help="keep the text past the vote")


def voting(parser: CommandParser) -> None:
    """say which answer is better; a vote is final"""
    parser.add_argument("id", type=UUID)
    parser.add_argument("choice", choices=[choice.value for choice in Choice])
    parser.add_argument("--comment", default="")


def revealing(parser: CommandParser) -> None:
    """say which checkpoint gave which answer: of one session, or of two checkpoints"""
    parser.add_argument("of", nargs="+", help="a session's id, or two checkpoints")
    parser.add_argument("--reason", required=True)


def results(parser: CommandParser) -> None:
    """what the votes on a candidate and a baseline say"""
    parser.add_argument("candidate")
    parser.add_argument("baseline")
    parser.add_argument("--confidence", type=float, default=0.95)


def listing(parser: CommandParser) -> None:
    """side by sides, newest first"""
    parser.add_argument("--state", choices=[s.value for s in PreferenceState], default="")
    parser.add_argument("--partner", default="")


class Command(SlipwayCommand):
    help = "Blind side by sides: ask, vote, reveal, results, list."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = {"ask": asking, "vote": voting, "reveal": revealing, "results": results}
        add_actions(parser, {**actions, "list": listing})

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_ask(self, options: dict[str, Any]) -> Any:
        actor = self.actor(options)
        preferences.must_rate(actor)
        one, other = (checkpoint_named(name) for name in options["checkpoints"])
        session = preferences.ask(
            actor=actor,
            one=one,
            other=other,
            prompt=options["prompt"],
            system=options["system"],
            keeps_text=options["keep_text"],
        )
        told = PreferenceAnswersOut(own(actor, session.pk)).data
        for place in "ab":
            self.say(f"--- {place.upper()} ---\n{told['answers'][place]['content']}\n")
        self.say(f"Vote: manage.py preference vote {session.pk} a|b|tie|both_bad")
        return told

    def run_vote(self, options: dict[str, Any]) -> Any:
        actor, session = self.actor(options), reads.session_of(options["id"])
        choice, comment = Choice(options["choice"]), options["comment"]
        preferences.vote(actor=actor, session=session, choice=choice, comment=comment)
        self.say(f"Kept: {choice}.")
        return PreferenceAnswersOut(own(actor, session.pk)).data

    def run_reveal(self, options: dict[str, Any]) -> Any:
        actor, reason = self.actor(options), options["reason"]
        if len(options["of"]) == 2:
            one, other = (checkpoint_named(name) for name in options["of"])
            n = preferences.reveal_pair(actor=actor, one=one, other=other, reason=reason)
            self.say(f"{n} side by sides of {one.name} and {other.name} are revealed.")
            return {"n_revealed": n}
        session = reads.session_of(_id_of(options["of"]))
        row = preferences.reveal(actor=actor, session=session, reason=reason)
        self.say(f"A was {row.checkpoint_a.name}, B was {row.checkpoint_b.name}.")
        return PreferenceAnswersOut(own(actor, session.pk)).data

    def run_results(self, options: dict[str, Any]) -> Any:
        candidate, baseline = (checkpoint_named(options[n]) for n in ("candidate", "baseline"))
        told = results_told(self.actor(options), candidate, baseline, options["confidence"])
        self.say(f"{told['candidate']} against {told['baseline']}: {told['sentence']}")
        return PreferenceResultsOut(told).data

    def run_list(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        found = reads.sessions(state=options["state"], partner=options["partner"])
        rows = [_row(session) for session in found[:_NEWEST]]
        for row in rows:
            self.say(f"{row['id']} {row['state']:9} {row['rater']}: {row['checkpoints']}")
        if not rows:
            self.say("No side by sides. Ask: manage.py preference ask ONE OTHER --prompt TEXT")
        return rows


def _row(session: Any) -> dict[str, Any]:
    names = sorted((session.checkpoint_a.name, session.checkpoint_b.name))
    return {
        "id": str(session.pk),
        "state": session.state,
        "rater": str(session.partner or session.person),
        "checkpoints": " / ".join(names),
    }


def _id_of(words: list[str]) -> UUID:
    try:
        (text,) = words
        return UUID(text)
    except ValueError as error:
        message = "Name one session by its id, or two checkpoints."
        raise InvalidInput("bad_session", message) from error
