"""What stages really replied, graded by itself for the forecasts that wait for it."""

from __future__ import annotations

from datetime import datetime

from alpha.services.opened_transcripts import kept_calls
from evals import graders
from evals.catalogues import catalogue_of
from evals.forecasts import ENOUGH
from evals.models import ReplaySet, Run
from evals.services.replays import Sampling, draw_set, grade_recorded
from infra import clock
from infra.actors import system
from releases.models import Release
from releases.selectors.forecasts import unobserved
from releases.services.forecasts import WAITS
from releases.states import ForecastKind

# A half more than enough: some replies can't be graded.
CONVERSATIONS = ENOUGH + ENOUGH // 2


def grade_live_due(now: datetime | None = None) -> int:
    """Draw and grade what stages replied, for forecasts that wait for it; how many runs began.

    Only where every grader works without a model or a sandbox: what costs is a person's decision.
    Safe to run twice: one run a release and catalogue.
    """
    moment = now or clock.now()
    waiting = unobserved(moment - WAITS).filter(kind=ForecastKind.FAILURE_MODE.value)
    wanted = {(row.promotion_id, row.inputs["catalogue"], row.inputs["set"]) for row in waiting}
    return sum(_graded(*one, moment) for one in sorted(wanted, key=str))


def _graded(promotion_id: object, digest: str, name: str, now: datetime) -> int:
    release = Release.objects.filter(promotion=promotion_id).order_by("started_at").first()
    made = _set_of(digest, name)
    if release is None or made is None or _costs(made):
        return 0
    key = f"live:{release.pk}:{digest[:16]}"
    if Run.objects.filter(idempotency_key=key).exists():
        return 0
    return _begun(release, made, key, min(now, release.ended_at or now))


def _begun(release: Release, made: ReplaySet, key: str, until: datetime) -> int:
    calls = kept_calls(release.stage_id, release.started_at, until, release.checkpoint_id)
    if len(calls) < CONVERSATIONS:
        return 0
    actor = system("forecasts")
    sampling = Sampling(
        since=release.started_at, until=until, n=CONVERSATIONS, partner_cap=CONVERSATIONS
    )
    drawn = draw_set(
        actor=actor,
        name=f"live-{release.pk.hex}",
        stage=release.stage,
        sampling=sampling,
        catalogue=catalogue_of({"modes": made.catalogue}),
        checkpoint=release.checkpoint,
        owner=made.version.suite.owner.email,
    )
    grade_recorded(
        actor=actor,
        replay_set=drawn.replay_set,
        checkpoint=release.checkpoint,
        idempotency_key=key,
    )
    return 1


def _set_of(digest: str, name: str) -> ReplaySet | None:
    suite, _, number = name.partition("@")
    found = ReplaySet.objects.select_related("version__suite__owner").filter(
        version__suite__name=suite, version__number=int(number), catalogue_digest=digest
    )
    return found.first()


def _costs(made: ReplaySet) -> bool:
    return any(graders.needs_services(mode["grader"]) for mode in made.catalogue)
