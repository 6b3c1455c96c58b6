"""Reads over judges: versions, what raters see next, calibrations, and what suites name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, OuterRef, Q, QuerySet, Subquery

from evals import judging
from evals.formats.contract import sha256_of
from evals.graders.judge import RESOLVED, TYPE
from evals.judging import Fitness
from evals.models import (
    Calibration,
    Judge,
    JudgeVerdict,
    JudgeVersion,
    Label,
    LabelItem,
    SuiteVersion,
)
from evals.states import VersionState
from infra.errors import NotFound

NEVER_CALIBRATED = "never calibrated"
Resolved = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the labelling of a judge's items is."""

    n_items: int
    """Items that people are asked about."""
    n_labelled: int
    """Items with a label at least."""
    n_settled: int
    """Items on which nobody further is asked."""
    n_mine: int
    """Items that the rater who asks has labelled."""


def judges() -> QuerySet[Judge]:
    """All judges with their newest version's number and how many items they have."""
    return Judge.objects.select_related("owner").annotate(
        version_number=Max("versions__number"), n_items=Count("items", distinct=True)
    )


def judge_named(name: str) -> Judge:
    """The judge of that name; NotFound names those there are."""
    found = Judge.objects.select_related("owner").filter(name=name).first()
    if found is None:
        known = ", ".join(Judge.objects.values_list("name", flat=True)[:20])
        raise NotFound("no_such_judge", f"No judge {name!r}; there are: {known or 'none yet'}.")
    return found


def version_named(reference: str) -> JudgeVersion:
    """The version that `tone` (the newest) or `tone@3` names; NotFound."""
    name, _, number = reference.partition("@")
    versions = judge_named(name).versions.select_related("judge__owner").order_by("-number")
    if number:
        is_number = number.isdecimal() and len(number) < 10
        versions = versions.filter(number=int(number)) if is_number else versions.none()
    found = versions.first()
    if found is None:
        known = JudgeVersion.objects.filter(judge__name=name).values_list("number", flat=True)
        listed = ", ".join(f"{name}@{n}" for n in known[:20])
        raise NotFound("no_such_judge", f"No judge {reference!r}; there are: {listed or 'none'}.")
    return found


def newest(judge: Judge) -> JudgeVersion:
    """The judge's newest version; a judge is made with one."""
    return version_named(judge.name)


def judge_specs(specs: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those of the graders that name a judge."""
    return [spec for spec in specs if spec.get("type") == TYPE]


def references_of(version: SuiteVersion) -> list[str]:
    """The judges that the suite's graders name, each once, in their order."""
    return list(dict.fromkeys(spec["judge"] for spec in judge_specs(all_specs(version))))


def all_specs(version: SuiteVersion) -> list[Mapping[str, Any]]:
    """The suite's graders and those of its cases."""
    own = version.cases.exclude(graders=[]).values_list("graders", flat=True)
    return [*version.graders, *(spec for specs in own for spec in specs)]


def versions_of(version: SuiteVersion) -> dict[str, JudgeVersion]:
    """The judges' versions that a suite's version names, by reference."""
    return {reference: version_named(reference) for reference in references_of(version)}


def resolved_version(version: JudgeVersion) -> Resolved:
    """What the grader `judge` takes under `resolved`."""
    return {
        "model": version.model,
        "prompt": version.prompt,
        "parameters": version.parameters,
        "choices": version.judge.scores,
    }


def resolved(
    specs: Iterable[Mapping[str, Any]], versions: Mapping[str, JudgeVersion]
) -> list[Mapping[str, Any]]:
    """The graders with each judge's model, prompt and choices beside its name."""
    return [
        {**spec, RESOLVED: resolved_version(versions[spec["judge"]])}
        if spec.get("type") == TYPE
        else spec
        for spec in specs
    ]


def newest_calibration(version: JudgeVersion, then: datetime | None = None) -> Calibration | None:
    """The newest, or the newest at that moment; None before the first."""
    found = version.calibrations.select_related("version__judge").order_by("-calibrated_at")
    return (found.filter(calibrated_at__lte=then) if then else found).first()


def calibration_digest(judge: Judge, calibration: Calibration | None) -> str:
    """What a gate rests on: the calibration and the judge's own terms."""
    terms = {"floor": judge.floor, "min_labels": judge.min_labels}
    known = calibration.digest if calibration else NEVER_CALIBRATED
    return sha256_of({"calibration": known, **terms})


def input_digests(version: SuiteVersion, then: datetime | None = None) -> dict[str, str]:
    """What the suite's judges put under a gate, by name: the newest version, the calibration."""
    digests = {}
    for reference, used in versions_of(version).items():
        line = used.judge.versions.order_by("-number")
        known = line.filter(created_at__lte=then) if then else line
        digests[f"judge {used.judge.name}"] = (known.first() or used).digest
        digests[f"calibration of {reference}"] = calibration_digest(
            used.judge, newest_calibration(used, then)
        )
    return digests


def fitness(calibration: Calibration) -> Fitness:
    """The calibration's numbers, with the floor that the judge has now."""
    judge = calibration.version.judge
    shared = (
        "n_items n_double kappa kappa_lo kappa_hi human_alpha true_pos positives true_neg "
        "negatives oldest_label_at"
    ).split()
    return Fitness(
        reference=str(calibration.version),
        floor=judge.floor,
        min_labels=judge.min_labels,
        **{name: getattr(calibration, name) for name in shared},
    )


def unfit(version: JudgeVersion, calibration: Calibration | None, now: datetime) -> str:
    """Why the version may not gate, as a sentence; empty when it may."""
    if calibration is None:
        todo = f"label its outputs, then run `manage.py judge calibrate {version}`"
        return judging.unfit_sentence(str(version), [f"it was never calibrated ({todo})"])
    clauses = judging.unfit(fitness(calibration), now)
    return judging.unfit_sentence(str(version), clauses) if clauses else ""


def labels_of(judge: Judge, until: datetime | None = None) -> dict[UUID, list[Label]]:
    """The labels that stand, by item: each rater's last word, up to that moment."""
    rows = Label.objects.filter(item__judge=judge).order_by("labelled_at")
    if until is not None:
        rows = rows.filter(labelled_at__lte=until)
    found = list(rows)
    replaced = {row.replaces_id for row in found}
    standing: dict[UUID, list[Label]] = {}
    for row in found:
        if row.pk not in replaced:
            standing.setdefault(row.item_id, []).append(row)
    return standing


def next_item(judge: Judge, rater_id: UUID) -> LabelItem | None:
    """The first item in random order that still needs a rater and lacks this one; None: done.

    Items that nobody has labelled come as they are ranked, so what is labelled stays a random
    sample whenever people stop.
    """
    standing = labels_of(judge)
    for item in judge.items.filter(is_asked=True).order_by("rank", "id"):
        labels = standing.get(item.pk, [])
        if any(label.rater_id == rater_id for label in labels):
            continue
        if not judging.is_settled([label.choice for label in labels], judge.n_raters):
            return item
    return None


def progress(judge: Judge, rater_id: UUID | None) -> Progress:
    """How far the labelling is, for everyone and for one rater."""
    standing = labels_of(judge)
    chosen = {pk: [label.choice for label in labels] for pk, labels in standing.items()}
    return Progress(
        n_items=judge.items.filter(is_asked=True).count(),
        n_labelled=len(standing),
        n_settled=sum(judging.is_settled(c, judge.n_raters) for c in chosen.values()),
        n_mine=sum(
            any(label.rater_id == rater_id for label in labels) for labels in standing.values()
        )
        if rater_id
        else 0,
    )


def last_label(judge: Judge, rater_id: UUID) -> Label | None:
    """The rater's newest label, to think again about; None before the first."""
    mine = Label.objects.filter(item__judge=judge, rater_id=rater_id, replaced_by=None)
    return mine.select_related("item__judge").order_by("-labelled_at").first()


def unanswered(version: JudgeVersion) -> list[LabelItem]:
    """Labelled items that the version has given no verdict on."""
    answered = JudgeVerdict.objects.filter(version=version).exclude(choice="")
    items = version.judge.items.filter(is_asked=True, labels__isnull=False)
    rows = items.exclude(pk__in=answered.values("item_id")).distinct()
    return list(rows.select_related("run__version", "result").order_by("rank", "id"))


def versions_with_calibration(judge: Judge) -> Sequence[tuple[JudgeVersion, Calibration | None]]:
    """Newest version first, each with its newest calibration."""
    newest = Calibration.objects.filter(version=OuterRef("pk")).order_by("-calibrated_at")
    rows = list(judge.versions.annotate(calibration_id=Subquery(newest.values("pk")[:1])))
    known = Calibration.objects.select_related("version__judge").in_bulk(
        [row.calibration_id for row in rows if row.calibration_id]
    )
    return [(row, known.get(row.calibration_id)) for row in rows]


def suites_naming(judge: Judge) -> list[SuiteVersion]:
    """Published suite versions whose graders name the judge."""
    one = [{"type": TYPE}]
    named = Q(graders__contains=one) | Q(cases__graders__contains=one)
    rows = SuiteVersion.objects.filter(named, state=VersionState.PUBLISHED.value)
    found = rows.select_related("suite").distinct().order_by("suite__name", "-number")
    return [row for row in found if any(_is_of(judge, r) for r in references_of(row))]


def _is_of(judge: Judge, reference: str) -> bool:
    return reference.partition("@")[0] == judge.name


def rates(found: Calibration) -> dict[str, tuple[float, float, float] | None]:
    """True and false positive rates with their 95% intervals; None without such labels."""
    from releases.statistics.mean_score import wilson  # SciPy: only where numbers are made

    told: dict[str, tuple[float, float, float] | None] = {}
    wrong = found.negatives - found.true_neg
    for name, part, whole in (
        ("true_positive", found.true_pos, found.positives),
        ("false_positive", wrong, found.negatives),
    ):
        told[name] = (part / whole, *wilson(part, whole)) if whole else None
    return told


def summary(found: Calibration) -> dict[str, Any]:
    """A calibration's numbers, as commands and the API show them."""
    fields = (
        "n_items n_labels n_raters n_double n_disputed n_errored table kappa kappa_lo kappa_hi "
        "agreement human_alpha oldest_label_at calibrated_by calibrated_at digest"
    ).split()
    shown = {
        f"{name}_rate": None if one is None else dict(zip(("rate", "lo", "hi"), one, strict=True))
        for name, one in rates(found).items()
    }
    numbers = {name: getattr(found, name) for name in fields}
    return {"id": str(found.pk), "judge": str(found.version), **numbers, **shown}


def sentence(found: Calibration) -> str:
    """A calibration as one sentence with its numbers."""
    clauses = [f"{found.version} was held against {found.n_items} human labels"]
    if found.kappa is not None and found.kappa_lo is not None and found.kappa_hi is not None:
        interval = f"95% CI {found.kappa_lo:.2f} to {found.kappa_hi:.2f}"
        clauses.append(f"kappa {found.kappa:.2f} ({interval})")
    for name, one in rates(found).items():
        if one is not None:
            share, lo, hi = one
            clauses.append(f"{name.replace('_', ' ')}s {share:.1%} ({lo:.1%} to {hi:.1%})")
    if found.human_alpha is not None:
        clauses.append(f"people among themselves alpha {found.human_alpha:.2f}")
    if found.n_disputed:
        clauses.append(f"{found.n_disputed} left out, as people are divided on them")
    if found.n_errored:
        clauses.append(f"{found.n_errored} left out, as the judge gave no verdict")
    return "; ".join(clauses) + "."
