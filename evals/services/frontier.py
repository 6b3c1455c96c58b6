"""The frontier of a suite's version, read once for the runs there are and kept."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from evals.formats.contract import sha256_of
from evals.models import Run, SizeFrontier, SuiteVersion
from evals.selectors import frontier as reads
from evals.selectors.measured_runs import size_classes
from infra import clock

if TYPE_CHECKING:
    from releases.statistics.size_frontier import SizePoint

# Part of the digest: a change of the method reads every frontier anew.
METHOD = "size_frontier/1"


def frontier(version: SuiteVersion) -> SizeFrontier:
    """The version's checkpoints with dominated ones marked; the kept one for the same runs."""
    runs = reads.runs_on(version)
    digest = sha256_of(
        {"method": METHOD, "version": str(version.pk), "runs": [str(run.pk) for run in runs]}
    )
    found = SizeFrontier.objects.filter(input_digest=digest).first()
    if found is not None:
        return found
    points = reads.size_points(runs)
    rows = [_row(run, point) for run, point in zip(runs, points, strict=True)]
    made, _ = SizeFrontier.objects.get_or_create(
        input_digest=digest,
        defaults={
            "version": version,
            "points": sorted(rows, key=lambda row: -row["quality"]["value"]),
            "sentences": sentences(rows),
            "read_at": clock.now(),
        },
    )
    return made


def read_due() -> None:
    """Read the frontier of every suite's newest version that checkpoints ran on."""
    for version in {found.version.pk: found.version for found in size_classes()}.values():
        if reads.runs_on(version):
            frontier(version)


def _row(run: Run, point: SizePoint) -> dict[str, Any]:
    return {
        "checkpoint": run.checkpoint.name,
        "family": run.checkpoint.family.name,
        "size": run.checkpoint.size,
        "run": str(run.pk),
        "standing": point.standing,
        **asdict(point),
    }


def sentences(rows: list[dict[str, Any]]) -> list[str]:
    """Each checkpoint against the best one, in plain words; those left out with the reason."""
    if not rows:
        return []
    best = max(rows, key=lambda row: row["quality"]["value"])
    told = [f"{best['checkpoint']} has the highest score, {_percent(best['quality']['value'])}."]
    for row in rows:
        if row["left_out"]:
            told.append(f"{row['checkpoint']} is left out: {row['left_out']}.")
        elif row is not best:
            told.append(f"{_against(row, best)}; {_standing(row)}.")
    return told


def _against(row: dict[str, Any], best: dict[str, Any]) -> str:
    kept = _share(row["quality"], best["quality"], "score")
    costs, waits = (_share(row[key], best[key], word) for key, word in _AXES)
    at = " and ".join(part for part in (costs, waits) if part)
    return f"{row['checkpoint']} keeps {kept or 'its score'}" + (f" at {at}" if at else "")


_AXES = (("cost", "cost"), ("p95", "p95"))


def _share(value: dict[str, Any] | None, other: dict[str, Any] | None, word: str) -> str:
    if value is None or other is None or not other["value"]:
        return ""
    return f"{_percent(value['value'] / other['value'])} of the best one's {word}"


def _standing(row: dict[str, Any]) -> str:
    often = _percent(row["p_frontier"])
    told = {
        "on": "it is on the frontier",
        "off": "another is as good, as cheap and as fast, and better on one",
        "can't tell": f"whether it is on the frontier can't be told ({often} of resamples)",
    }
    return told[row["standing"]]


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%" if share < 1 else f"{100 * share:.0f}%"
