"""A judge's version held against people's labels, and what that does to gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from celery import current_app
from django.db import transaction

from evals import graders, judging
from evals.formats.contract import sha256_of
from evals.graders.judge import TYPE
from evals.judging import Consensus
from evals.models import Calibration, Judge, JudgeVerdict, JudgeVersion, Label, LabelItem
from evals.selectors import judges as reads
from evals.selectors.suites import graded_case
from evals.services.judges import must_edit
from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidMove
from releases.services.promotions import inputs_changed

CALIBRATE = "evals.calibrate_judge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a judge said of one item, or why it said nothing."""

    item: LabelItem
    choice: str = ""
    explanation: str = ""
    error_code: str = ""
    error_message: str = ""
    is_from_run: bool = False
    tokens_in: int | None = None
    tokens_out: int | None = None


def take_verdicts(version: JudgeVersion) -> list[LabelItem]:
    """Keep what the version said in runs that it graded; the labelled items it has yet to see."""
    found = [(item, _said_in_run(version, item)) for item in reads.unanswered(version)]
    keep_verdicts(version, [verdict for _, verdict in found if verdict is not None])
    return [item for item, verdict in found if verdict is None]


def _said_in_run(version: JudgeVersion, item: LabelItem) -> Verdict | None:
    if item.run is None or item.result is None:
        return None
    case = graded_case(item.result.case)
    for spec in graders.of_case(item.run.version.graders, case):
        if spec["type"] != TYPE or spec["judge"] != str(version):
            continue
        labels = graders.get(TYPE).labels(spec, case)
        share = item.result.components.get(labels[0]) if labels else None
        choice = share and _choice_of(version, share["score"])
        if share and choice:
            said = share["explanation"]
            return Verdict(item=item, choice=choice, explanation=said, is_from_run=True)
    return None


def _choice_of(version: JudgeVersion, score: float) -> str | None:
    """The choice with that score; each has a score of its own."""
    for choice, own in version.judge.scores.items():
        if abs(own - score) < 1e-9:
            return choice
    return None


def keep_verdicts(version: JudgeVersion, verdicts: Sequence[Verdict]) -> None:
    """Store what is new; the first verdict on an item stands, errors may be tried again."""
    now = clock.now()
    JudgeVerdict.objects.bulk_create(
        (
            JudgeVerdict(
                version=version,
                item=one.item,
                choice=one.choice,
                explanation=one.explanation,
                error_code=one.error_code[:60],
                error_message=one.error_message,
                is_from_run=one.is_from_run,
                tokens_in=one.tokens_in,
                tokens_out=one.tokens_out,
                asked_at=now,
            )
            for one in verdicts
        ),
        batch_size=500,
        ignore_conflicts=True,
    )


def ask_for_calibration(*, actor: Actor, version: JudgeVersion) -> Calibration | None:
    """The calibration when every verdict is known; else None, and a worker asks the judge first."""
    must_edit(actor)
    left = take_verdicts(version)
    if not left:
        return calibrate(actor=actor, version=version)
    with transaction.atomic():
        after = {"n_to_ask": len(left)}
        audit.record(actor=actor, action="judge.calibration_asked", subject=version, after=after)
        args = [str(version.pk), actor.name]
        transaction.on_commit(lambda: current_app.send_task(CALIBRATE, args=args), robust=True)
    return None


def calibrate(*, actor: Actor, version: JudgeVersion) -> Calibration:
    """Agreement and error rates over every item that people and the version have answered.

    Gates that rest on the version's calibration go stale in the same transaction.
    """
    must_edit(actor)
    with transaction.atomic():
        version.judge = Judge.objects.select_for_update(no_key=True).get(pk=version.judge_id)
        now = clock.now()
        found = _measured(version, now)
        if not found["n_items"]:
            message = f"Judge {version} has no labelled output with a verdict: label some first."
            raise InvalidMove("nothing_labelled", message)
        made = Calibration.objects.create(
            version=version,
            labels_until=now,
            calibrated_by=actor.on_behalf_of or actor.name,
            calibrated_at=now,
            digest=sha256_of({key: str(value) for key, value in found.items()}),
            **found,
        )
        digests = {f"calibration of {version}": reads.calibration_digest(version.judge, made)}
        stale = inputs_changed(
            actor=actor, digests=digests, reason=f"judge {version} was calibrated"
        )
        after = {
            "n_items": made.n_items,
            "kappa": made.kappa,
            "kappa_lo": made.kappa_lo,
            "made_stale": [one.sentence for one in stale],
        }
        audit.record(actor=actor, action="judge.calibrated", subject=made, after=after)
    return made


def _measured(version: JudgeVersion, until: datetime) -> dict[str, Any]:
    """Every column that comes from labels and verdicts."""
    from releases.statistics.agreement import cohen_kappa  # SciPy: only where numbers are made

    scores = version.judge.scores
    labels = reads.labels_of(version.judge, until)
    said = {
        pk: judging.consensus([one.choice for one in own], scores) for pk, own in labels.items()
    }
    verdicts = dict(
        JudgeVerdict.objects.filter(version=version, item__in=labels)
        .exclude(choice="")
        .values_list("item_id", "choice")
    )
    table = _table(scores, said, verdicts)
    counted = {pk: labels[pk] for pk in verdicts if said[pk].choice is not None}
    n_items = sum(sum(row) for row in table)
    kappa = cohen_kappa(table) if n_items else None
    raters = {label.rater_id for own in counted.values() for label in own}
    return {
        "n_items": n_items,
        "n_labels": sum(len(own) for own in counted.values()),
        "n_raters": len(raters),
        "n_double": sum(len(own) > 1 for own in counted.values()),
        "n_disputed": sum(said[pk].choice is None for pk in verdicts),
        "n_errored": len(labels.keys() - verdicts.keys()),
        "table": table,
        "kappa": kappa.kappa if kappa else None,
        "kappa_lo": kappa.lo if kappa else None,
        "kappa_hi": kappa.hi if kappa else None,
        "agreement": sum(row[at] for at, row in enumerate(table)) / n_items if n_items else None,
        "human_alpha": _human_alpha(scores, labels),
        "oldest_label_at": min(
            (label.labelled_at for own in counted.values() for label in own), default=None
        ),
        **_rates(scores, table),
    }


def _table(
    scores: Mapping[str, float],
    said: Mapping[UUID, Consensus],
    verdicts: Mapping[UUID, str],
) -> list[list[int]]:
    """Counts: a row a human choice, a column a judge's, in the order of the choices."""
    at = {choice: index for index, choice in enumerate(scores)}
    table = [[0] * len(at) for _ in at]
    for pk, choice in verdicts.items():
        people = said[pk].choice
        if people is not None:
            table[at[people]][at[choice]] += 1
    return table


def _rates(scores: Mapping[str, float], table: Sequence[Sequence[int]]) -> dict[str, int]:
    """True positives and negatives among people's positives and negatives."""
    positive = [score >= judging.POSITIVE for score in scores.values()]
    counts = {"true_pos": 0, "positives": 0, "true_neg": 0, "negatives": 0}
    for is_positive, row in zip(positive, table, strict=True):
        kind, right = ("positives", "true_pos") if is_positive else ("negatives", "true_neg")
        for says_positive, count in zip(positive, row, strict=True):
            counts[kind] += count
            counts[right] += count if says_positive == is_positive else 0
    return counts


def _human_alpha(
    scores: Mapping[str, float], labels: Mapping[UUID, Sequence[Label]]
) -> float | None:
    """Krippendorff's alpha among people: nominal for two choices, ordinal for more."""
    from releases.statistics.agreement import krippendorff_alpha

    double = {pk: own for pk, own in labels.items() if len(own) > 1}
    raters = {label.rater_id for own in double.values() for label in own}
    if len(raters) < 2:
        return None
    rows = {rater: [None] * len(double) for rater in raters}
    for column, own in enumerate(double.values()):
        for label in own:
            rows[label.rater_id][column] = scores[label.choice]  # type: ignore[call-overload]
    found = krippendorff_alpha(list(rows.values()))
    return found.nominal if len(scores) == 2 else found.ordinal
