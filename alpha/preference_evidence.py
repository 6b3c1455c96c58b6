"""What blind votes tell the gates of kind `preference`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q

from alpha.preference_results import Interval, Results, first_votes, results_of
from alpha.preferences import Votes, votes_on
from infra import clock
from infra.errors import DomainError
from releases.gates.contract import Evidence, Gate, Subject
from releases.gates.judgement import judge_gate
from releases.gates.options import DEFAULT_CONFIDENCE
from releases.gates.preference import Preference
from releases.models import Checkpoint, Release
from releases.replay.method_inputs import MethodInput
from releases.selectors.checkpoints import checkpoint_named
from releases.states import Arm

KIND = "preference"
WIN_SCORE, BRADLEY_TERRY = "win_score", "bradley_terry"
Observed = dict[str, Any]


class PreferenceEvidence:
    """The votes on a candidate and a baseline, of partners and reviewers alike."""

    kinds = frozenset({KIND})

    def gather(self, gate: Gate, subject: Subject, now: datetime) -> Evidence:
        """What is known now; `missing` where nobody has compared the two."""
        return self._gathered(gate, subject, None)

    def gather_as_of(self, gate: Gate, subject: Subject, then: datetime) -> Evidence:
        """What was known at a past moment: by the votes and the baseline of then."""
        return self._gathered(gate, subject, then)

    def inputs_of(self, gate: Gate, observed: Mapping[str, Any]) -> list[MethodInput]:
        """The votes that the recorded win score was computed from; raters and prompts numbered."""
        if observed.get("method") != WIN_SCORE or observed.get("lo") is None:
            return []
        votes = votes_on(
            checkpoint_named(observed["candidate"]),
            checkpoint_named(observed["baseline"]),
            datetime.fromisoformat(observed["until"]),
        )
        ballots = first_votes(votes.ballots)
        given = {
            "y": [ballot.y for ballot in ballots],
            "rater": _numbered([ballot.rater for ballot in ballots]),
            "prompt": _numbered([ballot.prompt for ballot in ballots]),
            "confidence": _confidence(gate),
        }
        fields = {"score": "score", "lo": "lo", "hi": "hi"}
        return [MethodInput(name="", method=WIN_SCORE, given=given, fields=fields)]

    def _gathered(self, gate: Gate, subject: Subject, then: datetime | None) -> Evidence:
        inputs = {"checkpoint": subject.checkpoint_digest}
        try:
            candidate = Checkpoint.objects.get(pk=subject.checkpoint_id)
            baseline = _baseline(gate, subject, then)
        except DomainError as refusal:
            return Evidence(problem=refusal.message, inputs=inputs, live=True)
        if baseline is None:
            stage = gate.options["baseline"]["stage"]
            return Evidence(
                missing=f"stage {stage} has no incumbent of {subject.family} {subject.size} to "
                "compare with.",
                inputs=inputs,
                live=True,
            )
        inputs["baseline"] = baseline.checkpoint_digest
        votes = votes_on(candidate, baseline, then)
        if baseline.pk == candidate.pk or not votes.ballots:
            return Evidence(missing=_none_yet(candidate, baseline), inputs=inputs, live=True)
        url = f"/console/preferences/results/?candidate={candidate.pk}&baseline={baseline.pk}"
        observed = {
            **observed_of(votes, str(gate.options.get("method", WIN_SCORE)), _confidence(gate)),
            "candidate": candidate.name,
            "baseline": baseline.name,
        }
        return Evidence(observed=observed, inputs=inputs, url=url, live=True)


def observed_of(votes: Votes, method: str, confidence: float) -> Observed:
    """What a gate is told, in the shape of `docs/gates.md`."""
    found = results_of(votes.ballots, confidence)
    raw, controlled = _by_method(found, method)
    return {
        "method": method,
        **_ends(raw),
        "n_votes": found.n_votes,
        "n_raters": found.n_raters,
        "tie_share": found.tie_share,
        "controlled": _ends(controlled) if controlled else None,
        "n_both_bad": found.n_both_bad,
        "n_repeats": found.n_repeats,
        "position": {
            "n_a": found.position.n_a,
            "n_decided": found.position.n_decided,
            "p": found.position.p,
        },
        "until": votes.until.astimezone(UTC).isoformat() if votes.until else None,
        "votes_digest": votes.digest,
    }


def sentence_of(votes: Votes, confidence: float = DEFAULT_CONFIDENCE) -> str:
    """What a gate with the usual margin would say of these votes."""
    gate = Gate(id=KIND, kind=KIND, options={"confidence": confidence})
    evidence = Evidence(observed=observed_of(votes, WIN_SCORE, confidence))
    return judge_gate(gate, evidence, clock.now(), {KIND: Preference()}).sentence


def _by_method(found: Results, method: str) -> tuple[Interval | None, Interval | None]:
    if method == BRADLEY_TERRY:
        return found.difference, found.controlled
    return found.score, found.controlled_score


def _ends(interval: Interval | None) -> Observed:
    if interval is None:
        return {"score": None, "lo": None, "hi": None}
    return {"score": interval.estimate, "lo": interval.lo, "hi": interval.hi}


def _baseline(gate: Gate, subject: Subject, then: datetime | None) -> Checkpoint | None:
    """The named checkpoint, or the incumbent of the named stage, then or now."""
    wanted = gate.options["baseline"]
    if "checkpoint" in wanted:
        return checkpoint_named(wanted["checkpoint"])
    found = Release.objects.select_related("checkpoint").filter(
        stage__pipeline_id=subject.pipeline_id,
        stage__name=wanted["stage"],
        family__name=subject.family,
        size=subject.size,
        arm=Arm.INCUMBENT.value,
    )
    if then is None:
        found = found.filter(ended_at=None)
    else:
        # What began at that very moment is what was decided then.
        found = found.filter(Q(ended_at=None) | Q(ended_at__gte=then), started_at__lt=then)
    release = found.order_by("-started_at").first()
    return release.checkpoint if release else None


def _none_yet(candidate: Checkpoint, baseline: Checkpoint) -> str:
    if candidate.pk == baseline.pk:
        return f"{candidate.name} is the baseline itself: there is nothing to compare."
    return (
        f"nobody has compared {candidate.name} with {baseline.name} blind yet: partners do at "
        "/v1/preferences, reviewers under Side by side."
    )


def _confidence(gate: Gate) -> float:
    return float(gate.options.get("confidence", DEFAULT_CONFIDENCE))


def _numbered(labels: list[str]) -> list[int]:
    """Labels as numbers in the order of their first place."""
    numbers: dict[str, int] = {}
    return [numbers.setdefault(label, len(numbers)) for label in labels]
