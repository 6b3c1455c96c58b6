"""Signs that a suite is known to whom it judges: canary, twins, near-duplicates, leaps."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evals import outputs
from evals.models import Case, Result, Run, SuiteHealth, SuiteVersion
from evals.shelf import Signal

if TYPE_CHECKING:
    from evals.selectors.measured_runs import Seen
    from releases.statistics.shelf_life import ShelfLife

TWIN_OF = "twin_of"
MIN_TWINS = 10
LEAP_SE = 3.0
SHOWN_CASES = 20
# Texts whose sets of three-word runs overlap this much say the same.
SIMILAR = 0.8
PERMUTATIONS = 64
WORDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Twins:
    """Gains over a reference on exposed cases, less those on their fresh twins."""

    reference: str
    gap: float
    lo: float
    hi: float

    @property
    def is_contaminated(self) -> bool:
        return self.lo > 0


def exposure(version: SuiteVersion) -> dict[str, int]:
    """Cases that came from partners' calls, and from how many partners."""
    cases = version.cases.filter(feedback__isnull=False)
    return {
        "n_from_partners": cases.count(),
        "n_partners": cases.values("feedback__partner").distinct().count(),
    }


def twins(version: SuiteVersion, runs: Sequence[Run], seen: Seen) -> Twins | None:
    """The newest checkpoint against one that was registered before the suite was.

    A fresh twin names its exposed case in `metadata.twin_of`. None without such a checkpoint or
    with fewer than ten answered cases of each kind.
    """
    from releases.statistics.contamination import contamination  # SciPy

    older = [run for run in runs[:-1] if run.checkpoint.registered_at < version.suite.created_at]
    rows = version.cases.filter(metadata__has_key=TWIN_OF).values_list("case_id", "metadata")
    of_twin = {case_id: metadata[TWIN_OF] for case_id, metadata in rows}
    if not older or len(of_twin) < MIN_TWINS:
        return None
    gains = seen.table[-1] - seen.table[runs.index(older[0])]
    by_case = {case_id: gain for (case_id, _), gain in zip(seen.keys, gains.tolist(), strict=True)}
    fresh = _known(by_case, of_twin)
    exposed = _known(by_case, set(of_twin.values()))
    if min(len(fresh), len(exposed)) < MIN_TWINS or len({*fresh, *exposed}) == 1:
        return None
    if len(set(fresh)) == 1 and len(set(exposed)) == 1:
        return None
    found = contamination(exposed, fresh)
    return Twins(reference=older[0].checkpoint.name, gap=found.gap, lo=found.lo, hi=found.hi)


def _known(gains: dict[str, float], wanted: Iterable[str]) -> list[float]:
    """The gains of those cases that both checkpoints answered."""
    found = [gains[case_id] for case_id in wanted if case_id in gains]
    return [gain for gain in found if not math.isnan(gain)]


def of(
    version: SuiteVersion, runs: Sequence[Run], life: ShelfLife, found: Twins | None
) -> list[Signal]:
    """Everything that somebody should look at."""
    told = [_canary(version, runs[-1]), _leap(runs[-1], life), _twins(found)]
    told.append(_duplicates(version))
    return [signal for signal in told if signal is not None]


def _canary(version: SuiteVersion, run: Run) -> Signal | None:
    """Answers of the newest checkpoint that hold the suite's canary."""
    if not version.canary:
        return None
    rows = Result.objects.filter(run=run).values_list("case__case_id", "output").iterator()
    seen = {case_id for case_id, kept in rows if _holds(kept, version.canary)}
    if not seen:
        return None
    times = "1 answer" if len(seen) == 1 else f"{len(seen)} answers"
    sentence = f"The canary stands in {times} of {run.checkpoint.name}: it has seen the suite."
    return Signal(code="canary", sentence=sentence, cases=sorted(seen)[:SHOWN_CASES])


def _holds(kept: bytes | memoryview, canary: str) -> bool:
    output = outputs.unpack(kept)
    return output is not None and (canary in output.text or canary in str(output.tool_calls))


def _leap(run: Run, life: ShelfLife) -> Signal | None:
    if life.jump is None or life.jump <= LEAP_SE:
        return None
    above = f"{life.jump:.1f} standard errors above the trend of the checkpoints before it"
    return Signal(code="leap", sentence=f"{run.checkpoint.name} stands {above}.")


def _twins(found: Twins | None) -> Signal | None:
    if found is None or not found.is_contaminated:
        return None
    gap = f"{100 * found.gap:+.1f} points (95% CI {100 * found.lo:.1f}..{100 * found.hi:.1f})"
    sentence = f"Exposed cases gained {gap} more than their fresh twins since {found.reference}."
    return Signal(code="contaminated", sentence=sentence)


def _duplicates(version: SuiteVersion) -> Signal | None:
    """Near-duplicates within the version; those that an earlier measurement found, when any."""
    earlier = SuiteHealth.objects.filter(version=version).order_by("-measured_at").first()
    if earlier is not None:
        kept = [s for s in earlier.measured["signals"] if s["code"] == "near_duplicates"]
        return Signal(**kept[0]) if kept else None
    pairs = near_duplicates(version.cases.order_by("position").only("case_id", "input", "source"))
    if not pairs:
        return None
    first, second = pairs[0]
    sentence = (
        f"{len(pairs)} cases nearly repeat another ({second} repeats {first}): they count as "
        "more evidence than they are, unless they share a cluster."
    )
    names = [case_id for _, case_id in pairs]
    return Signal(code="near_duplicates", sentence=sentence, cases=names[:SHOWN_CASES])


def near_duplicates(cases: Iterable[Case]) -> list[tuple[str, str]]:
    """(earlier case, case that nearly repeats it), by MinHash of runs of three words."""
    from datasketch import MinHash, MinHashLSH  # only in the background

    index = MinHashLSH(threshold=SIMILAR, num_perm=PERMUTATIONS)
    found = []
    for case in cases:
        sketch = MinHash(num_perm=PERMUTATIONS)
        sketch.update_batch([shingle.encode() for shingle in _shingles(case.input)])
        alike = index.query(sketch)
        if alike:
            found.append((min(alike), case.case_id))
        else:
            index.insert(case.case_id, sketch)
    return found


def _shingles(messages: Any) -> set[str]:
    """Runs of three words of what is asked, whatever its case and punctuation."""
    text = " ".join(str(message.get("content", "")) for message in messages)
    words = re.findall(r"\w+", text.lower())
    return {" ".join(words[at : at + WORDS]) for at in range(max(1, len(words) - WORDS + 1))}
