"""Which earlier remarks say what this one says: proposals for a person, never a count.

Every remark's words are kept as 256 bits, the signs of WordLlama's static embedding; PostgreSQL
counts the bits that differ over all of them, and the nearest are compared in full.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import connection

from alpha.models import Feedback
from alpha.states import FeedbackState

if TYPE_CHECKING:
    from releases.statistics.inputs import Floats

MIN_WORDS = 2
LONGEST = 1_000
"""Characters of a text that are compared: what a remark is about stands at its beginning."""
N_CANDIDATES = 60
N_SUGGESTED = 6
LEAST_ALIKE = 0.5
N_GROUPED = 200
_NEAREST = """
SELECT feedback_id FROM feedback_likeness
WHERE feedback_id <> %s
ORDER BY bit_count(code # %s::bit(256)), feedback_id DESC LIMIT %s
"""
_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """An earlier remark, and how alike it is in 0..1: half its meaning, half its letters."""

    feedback: Feedback
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """New remarks that seem to be about one thing, the oldest first."""

    remarks: Sequence[Feedback]

    @property
    def n_partners(self) -> int:
        return len({remark.partner_id for remark in self.remarks})

    @property
    def sentence(self) -> str:
        """What is proposed, in words."""
        text = self.remarks[0].comment[:80]
        partners = f"{self.n_partners} partner{'s' * (self.n_partners != 1)}"
        return f"{len(self.remarks)} remarks look like “{text}” ({partners}); confirm to count them"


def is_comparable(text: str) -> bool:
    """True of a text with at least two words."""
    return len(re.findall(r"\w+", text[:LONGEST])) >= MIN_WORDS


def codes_of(texts: Sequence[str]) -> list[str]:
    """The 256 bits of each text, as text of 0 and 1."""
    signs = _embedded(texts) > 0
    return ["".join("1" if bit else "0" for bit in row) for row in signs]


def suggest_duplicates(text: str, besides: UUID | None = None) -> list[Alike]:
    """Earlier remarks most like the text, best first; none for fewer than two words."""
    if not is_comparable(text):
        return []
    (code,) = codes_of([text])
    with connection.cursor() as cursor:
        cursor.execute(_NEAREST, [besides or _NOBODY, code, N_CANDIDATES])
        ids = [row[0] for row in cursor.fetchall()]
    found = list(Feedback.objects.filter(pk__in=ids).select_related("partner", "checkpoint"))
    scored = zip(found, _scores(text, [row.comment for row in found]), strict=True)
    alike = [Alike(feedback=row, score=score) for row, score in scored if score >= LEAST_ALIKE]
    return sorted(alike, key=lambda one: (-one.score, str(one.feedback.pk)))[:N_SUGGESTED]


def propose_groups() -> list[Group]:
    """The newest remarks nobody has triaged, as groups of at least two, largest first."""
    from releases.statistics.group_reports import TOO_SHORT, group_reports  # SciPy

    new = Feedback.objects.filter(state=FeedbackState.NEW.value).exclude(comment="")
    rows = list(new.select_related("partner", "checkpoint").order_by("-received_at")[:N_GROUPED])
    rows.reverse()
    labels = group_reports([row.comment[:LONGEST] for row in rows]).labels
    groups: dict[int, list[Feedback]] = {}
    for row, label in zip(rows, labels, strict=True):
        if label != TOO_SHORT:
            groups.setdefault(label, []).append(row)
    several = [Group(remarks=remarks) for remarks in groups.values() if len(remarks) > 1]
    return sorted(several, key=lambda group: -len(group.remarks))


def _scores(text: str, others: Sequence[str]) -> list[float]:
    from rapidfuzz import fuzz

    if not others:
        return []
    vectors = _embedded([text, *others])
    meaning = (vectors[1:] @ vectors[0]).clip(0.0, 1.0)
    letters = [
        fuzz.token_sort_ratio(text[:LONGEST].lower(), other[:LONGEST].lower()) / 100
        for other in others
    ]
    return [float((m + n) / 2) for m, n in zip(meaning, letters, strict=True)]


def _embedded(texts: Sequence[str]) -> Floats:
    from releases.statistics.static_embedding import embedded  # 33 MB: when it is asked for

    return embedded([text[:LONGEST] for text in texts])
