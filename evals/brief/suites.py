"""Suites that wear out, and what eval work waits for this person."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count, F, Min, OuterRef
from django.db.models.functions import Coalesce
from django.urls import reverse

from evals.models import Label, LabelItem, ProbePair
from evals.selectors import suites
from evals.selectors.health import health_of
from evals.services.labels import RATERS
from evals.services.probes.design import DESIGNERS
from evals.states import PairState, ProbeState
from infra.brief.contract import Asked, Line, Tone
from releases.statistics.suite_status import SuiteStatus

_TONES = {
    SuiteStatus.EXPIRED: Tone.BAD,
    SuiteStatus.SATURATED: Tone.WARN,
    SuiteStatus.AGEING: Tone.INFO,
}


def worn_suites(asked: Asked) -> list[tuple[Line, bool]]:
    """Every suite that is not fresh, with why, and whether this person owns it."""
    me = asked.actor.person_id
    found = []
    for suite, health in health_of(suites.suites(), asked.now.date()):
        if health.state is SuiteStatus.FRESH:
            continue
        is_mine = me is not None and suite.owner_id == me
        line = Line(
            title=f"Suite {suite.name}",
            sentence=f"{health.reason[:1].upper()}{health.reason[1:].rstrip('.')}.",
            address=reverse("console-suite", args=[suite.name]),
            word=health.state.value,
            tone=_TONES[health.state],
            act="Renew" if is_mine else "",
        )
        found.append((line, is_mine))
    return found


def work(asked: Asked) -> list[Line]:
    """Outputs to label, and pairs of probes to review."""
    return [*_labels(asked), *_pairs(asked)] if asked.actor.is_person else []


def _labels(asked: Asked) -> Iterator[Line]:
    """Outputs that still want a rater, of each judge."""
    if not asked.actor.may(*RATERS):
        return
    standing = Label.objects.filter(item=OuterRef("pk"), replaced_by=None)
    n_labels = standing.order_by().values("item").annotate(n=Count("pk")).values("n")
    lacking = LabelItem.objects.filter(is_asked=True).alias(n_labels=Coalesce(n_labels, 0))
    left = lacking.filter(n_labels__lt=F("judge__n_raters")).exclude(
        labels__rater=asked.actor.person_id
    )
    counted = left.order_by("judge__name").values("judge__name")
    for row in counted.annotate(n=Count("pk"), at=Min("drawn_at")):
        n, name = row["n"], row["judge__name"]
        yield Line(
            title=f"Judge {name}",
            sentence=f"{n} output{'s wait' if n > 1 else ' waits'} for a label of yours: people's "
            "labels say how far the judge is to be trusted.",
            address=reverse("console-label", args=[name]),
            word="to label",
            act="Label",
            tone=Tone.INFO,
            at=row["at"],
        )


def _pairs(asked: Asked) -> Iterator[Line]:
    """Probes that run once somebody has looked at every changed prompt."""
    if not asked.actor.may(*DESIGNERS):
        return
    proposed = ProbePair.objects.filter(
        state=PairState.PROPOSED.value, probe__state=ProbeState.DRAFT.value
    )
    rows = proposed.values("probe", "probe__title").annotate(
        n=Count("pk"), at=Min("probe__created_at")
    )
    for row in rows.order_by("at"):
        n = row["n"]
        yield Line(
            title=row["probe__title"],
            sentence=f"{n} changed prompt{'s' * (n != 1)} to approve or drop before it runs.",
            address=reverse("console-probe", args=[row["probe"]]),
            word="to review",
            act="Review",
            tone=Tone.INFO,
            at=row["at"],
        )
