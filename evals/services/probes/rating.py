"""People judge a probe's answers blind: neither arm nor checkpoint shows, the order is random."""

from __future__ import annotations

import random
from uuid import UUID

from django.db import IntegrityError, transaction

from evals.models import Probe, ProbeAnswer, ProbeRating, Result
from evals.selectors import probes as reads
from evals.services.labels import RATERS
from evals.services.probes import design
from evals.states import ProbeState, ResultState
from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove


def must_rate(actor: Actor) -> UUID:
    """The rater; NotPermitted for anyone who is no person in a rating role."""
    person_id = actor.must_be_person("rate answers")
    actor.must("rate answers", *RATERS)
    return person_id


def draw_order(probe: Probe) -> int:
    """Put the answers that wait for people in a random order, once; the number of them.

    The order comes from the system's own randomness, not from the probe's seed, and is kept.
    """
    with transaction.atomic():
        row = design.locked(probe)
        if row.answers.exists():
            return 0
        prompts = {prompt.number: prompt for prompt in row.prompts.all()}
        waiting = Result.objects.filter(
            run__probe_run__probe=row, state=ResultState.UNSCORED.value
        ).order_by()
        found = list(waiting.values_list("pk", "case__case_id"))
        random.SystemRandom().shuffle(found)
        ProbeAnswer.objects.bulk_create(
            ProbeAnswer(
                probe=row,
                result_id=pk,
                prompt=prompts[int(name.partition(".")[0].removeprefix("p"))],
                place=place,
            )
            for place, (pk, name) in enumerate(found, start=1)
        )
    return len(found)


def next_answer(*, actor: Actor, probe: Probe) -> ProbeAnswer | None:
    """What this rater is asked next; None: nothing is left for them."""
    return reads.next_answer(probe, must_rate(actor))


def rate_answer(*, actor: Actor, probe: Probe, answer_id: UUID, failed: bool) -> ProbeRating:
    """One rater's judgement of one answer; it stands."""
    rater_id = must_rate(actor)
    if not isinstance(failed, bool):
        raise InvalidInput("bad_rating", "Say whether the answer fails: true or false.")
    answer = reads.answer_with_id(probe, answer_id)
    try:
        with transaction.atomic():
            row = design.locked(probe)
            if row.state != ProbeState.RUNNING.value:
                message = f"The probe is {row.state}: its answers are no longer rated."
                raise InvalidMove("probe_over", message)
            rating = ProbeRating.objects.create(
                answer=answer, rater_id=rater_id, failed=failed, rated_at=clock.now()
            )
            # What was said stays out of the log, which raters may read.
            audit.record(actor=actor, action="probe.answer_rated", subject=rating)
    except IntegrityError as clash:
        raise InvalidMove("rated_already", "You have rated this answer.") from clash
    return rating
