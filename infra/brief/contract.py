"""What the brief is made of. Pure data: page, API, command line and e-mail render the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from infra.actors import Actor


class Tone(StrEnum):
    """How much a line should stand out, the most urgent first."""

    BAD = "bad"
    WARN = "warn"
    INFO = "info"

    @property
    def rank(self) -> int:
        return list(Tone).index(self)


class Answer(StrEnum):
    """What last night's runs say of one component, in the order in which it is read."""

    WORSE = "worse"
    BETTER = "better"
    CANT_TELL = "can't tell"

    @property
    def rank(self) -> int:
        return list(Answer).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """For whom and since when a brief is made."""

    actor: Actor
    since: datetime
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that waits, or is at risk, and the page where something is done about it."""

    title: str
    sentence: str
    address: str
    """Path within the console."""
    word: str
    """Its state, as a badge says it."""
    tone: Tone = Tone.WARN
    act: str = ""
    """What one click there is for, such as Decide; empty: to look."""
    at: datetime | None = None
    """Since when it waits, or when it happens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happened since the last look, once a kind of event."""

    title: str
    """Such as: 3 checkpoints were registered."""
    names: tuple[str, ...]
    """The newest of what it happened to."""
    n: int
    n_more: int
    """Events besides those of the names."""
    by: tuple[str, ...]
    """Who did it, for those names."""
    reason: str
    """What was given as the reason, where it happened once."""
    address: str
    at: datetime
    tone: Tone = Tone.INFO


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one component came to, in one sentence."""

    component: str
    answer: Answer
    sentence: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """One checkpoint on one suite, held against another."""

    title: str
    against: str
    address: str
    problem: str
    """Why there is no answer; empty where there is one."""
    verdicts: tuple[Verdict, ...]
    """The worse ones first; at most as many as a page can bear."""
    n_better: int
    n_worse: int
    n_cant_tell: int
    at: datetime

    @property
    def n_more(self) -> int:
        return self.n_better + self.n_worse + self.n_cant_tell - len(self.verdicts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Today's calls of one codename, by the checkpoint that answered."""

    codename: str
    checkpoint: str
    address: str
    n_requests: int
    n_failed: int
    n_partners: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one app brings."""

    waits: Sequence[Line] = ()
    risks: Sequence[Line] = ()
    nights: Sequence[Night] = ()
    next_steps: Sequence[str] = ()
    traffic: Sequence[Traffic] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How the brief speaks of one action of the audit log."""

    one: str
    """After a number is nothing to say: `A checkpoint was registered`."""
    many: str
    """With `{n}`: `{n} checkpoints were registered`."""
    page: str
    """Route of the list it is found in."""
    detail: str = ""
    """Route of the page of one of them, which takes its id or name; empty: the list."""
    but: str = ""
    """What is called so at its beginning is no news: Slipway made it for itself."""
    tone: Tone = Tone.INFO


Vocabulary = Mapping[str, Told]
"""By action of the audit log; what is not named here is not news."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """Everything, each list in the order in which it is read."""

    name: str
    """Whom it is for."""
    made_at: datetime
    since: datetime
    waits: tuple[Line, ...]
    """What this person can move; nobody else's work."""
    risks: tuple[Line, ...]
    changes: tuple[Change, ...]
    nights: tuple[Night, ...]
    next_steps: tuple[str, ...]
    traffic: tuple[Traffic, ...]

    @property
    def n_requests(self) -> int:
        return sum(row.n_requests for row in self.traffic)

    @property
    def n_failed(self) -> int:
        return sum(row.n_failed for row in self.traffic)

    @property
    def counts(self) -> dict[Answer, int]:
        """Components by answer, over all of last night's comparisons."""
        return {
            Answer.WORSE: sum(row.n_worse for row in self.nights),
            Answer.BETTER: sum(row.n_better for row in self.nights),
            Answer.CANT_TELL: sum(row.n_cant_tell for row in self.nights),
        }

    @property
    def headline(self) -> str:
        """The one sentence that stands alone: subject of the e-mail, head of the page."""
        n_waits, n_risks = len(self.waits), len(self.risks)
        said = [
            f"{n_waits} things wait for you" if n_waits > 1 else f"{_one(n_waits)} waits for you",
            f"{n_risks or 'nothing'} {'are' if n_risks > 1 else 'is'} at risk",
        ]
        if self.nights:
            n_worse = self.counts[Answer.WORSE]
            said.append(f"{n_worse or 'no'} component{'s' * (n_worse > 1)} got worse")
        return f"{', '.join(said)}."


def _one(n: int) -> str:
    return "One thing" if n else "Nothing"
