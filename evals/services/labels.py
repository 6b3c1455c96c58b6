"""What people are asked, and what they answer: outputs drawn at random, labels kept for good."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from uuid import UUID

from django.db import IntegrityError, transaction

from evals import outputs
from evals.models import Judge, Label, LabelItem, Result, Run
from evals.selectors import judges as reads
from evals.services.judges import must_edit
from evals.states import SCORED, ResultState, RunState
from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove, NotFound
from infra.ids import uuid7
from infra.roles import Role

RATERS = (Role.EVAL_OWNER, Role.BEHAVIOUR_REVIEWER, Role.ENGINEER, Role.RELEASE_MANAGER)
MOST_CASES = 5_000


def draw_items(*, actor: Actor, judge: Judge, run: Run, n_cases: int) -> list[LabelItem]:
    """Outputs of the run to label: of the first cases of the judge's own random order.

    The order is the same for every run of a suite, so that draws from two runs are of the same
    cases, and a larger draw extends a smaller one. Clusters are drawn whole; of a case's repeats
    one is taken. The new items; [] when all of them were drawn before.
    """
    must_edit(actor)
    if not 1 <= n_cases <= MOST_CASES:
        raise InvalidInput("bad_n_cases", f"n_cases is {n_cases}: choose 1 to {MOST_CASES:,}.")
    if run.state != RunState.COMPLETED.value:
        message = f"The run {run.pk} is {run.state}: draw from a completed one."
        raise InvalidMove("run_not_completed", message)
    if hasattr(run.version, "replay_set"):
        message = f"{run.version} replays conversations, some of which nobody may copy to label."
        raise InvalidMove("replay_not_labelled", message)
    with transaction.atomic():
        row = Judge.objects.select_for_update().get(pk=judge.pk)
        known = set(
            LabelItem.objects.filter(judge=row, run=run).values_list("result_id", flat=True)
        )
        rows = [
            _item(actor, row, run, result)
            for result in _drawn(row, run, n_cases)
            if result.pk not in known
        ]
        LabelItem.objects.bulk_create(rows, batch_size=500)
        if rows:
            after = {"run": str(run.pk), "n_cases": n_cases, "n_items": len(rows)}
            audit.record(actor=actor, action="judge.items_drawn", subject=row, after=after)
    return rows


def _drawn(judge: Judge, run: Run, n_cases: int) -> list[Result]:
    """One result a case, whole clusters in their order until there are that many cases."""
    scored = Result.objects.filter(run=run, state__in=[state.value for state in SCORED])
    clusters: dict[str, dict[UUID, list[Result]]] = {}
    for result in scored.select_related("case").order_by("repeat"):
        cluster = result.case.cluster or f"\x00{result.case.case_id}"
        clusters.setdefault(cluster, {}).setdefault(result.case_id, []).append(result)
    drawn: list[Result] = []
    for cluster in sorted(clusters, key=lambda name: rank_of(judge, name)):
        if len(drawn) >= n_cases:
            break
        for results in clusters[cluster].values():
            pick = int(rank_of(judge, results[0].case.case_id), 16) % len(results)
            drawn.append(results[pick])
    return drawn


def rank_of(judge: Judge, name: str) -> str:
    """Where a cluster stands in the judge's random order; nobody can choose it."""
    return hashlib.sha256(f"{judge.pk}\x00{name}".encode()).hexdigest()


def _item(actor: Actor, judge: Judge, run: Run, result: Result) -> LabelItem:
    output = outputs.unpack(result.output)
    case = result.case
    return LabelItem(
        id=uuid7(),
        judge=judge,
        run=run,
        result=result,
        # Cases in their random order, so that what is labelled first is a random sample, and both
        # arms of a case are complete early; which arm comes first is random too.
        rank=rank_of(judge, case.case_id)[:32] + rank_of(judge, str(result.pk))[:32],
        case_id=case.case_id,
        input=case.input,
        target=case.target,
        metadata=case.metadata,
        output=output.text if output else "",
        is_asked=result.state != ResultState.REFUSED.value,
        drawn_by=actor.name,
        drawn_at=clock.now(),
    )


def give_label(*, actor: Actor, item: LabelItem, choice: str) -> Label:
    """One rater's answer; a second one on the same item replaces the first, and both are kept."""
    rater_id = must_rate(actor)
    if choice not in item.judge.scores:
        known = ", ".join(item.judge.scores)
        raise InvalidInput("no_such_choice", f"{choice!r} is no choice here; there are: {known}.")
    if not item.is_asked:
        raise InvalidInput(
            "item_not_asked", "The suite's policy scored this output: nobody is asked."
        )
    try:
        return _save_label(actor, item, rater_id, choice)
    except IntegrityError as clash:
        message = "Another label of yours on this output came first: look at it again."
        raise InvalidMove("label_clash", message) from clash


def _save_label(actor: Actor, item: LabelItem, rater_id: UUID, choice: str) -> Label:
    with transaction.atomic():
        # A calibration takes the same lock: its moment divides labels without exception.
        Judge.objects.select_for_update(no_key=True).get(pk=item.judge_id)
        standing = Label.objects.filter(item=item, rater_id=rater_id, replaced_by=None).first()
        if standing is not None and standing.choice == choice:
            return standing
        label = Label.objects.create(
            item=item,
            rater_id=rater_id,
            choice=choice,
            replaces=standing,
            labelled_at=clock.now(),
        )
        # The choice itself stays out of the log, which raters may read.
        action = "judge.label_replaced" if standing else "judge.labelled"
        audit.record(actor=actor, action=action, subject=label, after={"item": str(item.pk)})
    return label


def must_rate(actor: Actor) -> UUID:
    """The rater; NotPermitted for anyone who is no person in a rating role."""
    person_id = actor.must_be_person("label outputs")
    actor.must("label outputs", *RATERS)
    return person_id


def item_for(*, actor: Actor, judge: Judge) -> LabelItem | None:
    """What this rater is asked next; None: nothing is left."""
    return reads.next_item(judge, must_rate(actor))


def item_with_id(judge: Judge, item_id: UUID) -> LabelItem:
    """That item of the judge; NotFound."""
    found = judge.items.filter(pk=item_id).select_related("judge").first()
    if found is None:
        raise NotFound("no_such_item", f"Judge {judge} has no output {item_id} to label.")
    return found


def imported_items(rows: Sequence[LabelItem], labels: Sequence[Label]) -> None:
    """Keep items of a file with their labels; inside the transaction of the import."""
    LabelItem.objects.bulk_create(rows, batch_size=500)
    Label.objects.bulk_create(labels, batch_size=500)
