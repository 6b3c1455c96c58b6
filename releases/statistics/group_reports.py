"""Which vague reports are about one thing: a proposal for a person, never a count."""

import enum
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import cluster, sparse, spatial

from releases.statistics import inputs
from releases.statistics.inputs import Floats

TOO_SHORT = -1
MIN_WORDS = 2
MAX_REPORTS = 5_000
MAX_CHARACTERS = 20_000
SIZES = (3, 4, 5)


class GroupBy(enum.StrEnum):
    """What makes two reports alike."""

    MEANING = "meaning"
    """Half their letters, half their words' meaning."""
    LETTERS = "letters"
    """Their letters alone; needs no embeddings, and splits more."""


# Distance from which two groups stay apart, in 0..1.5; chosen on labelled reports.
CUTS = {GroupBy.MEANING: 0.88, GroupBy.LETTERS: 0.90}


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """A proposed group for each report."""

    labels: tuple[int, ...]
    """Numbers from 0 in the order in which groups appear; -1 is the bucket of texts with fewer
    than two words, which say too little to be grouped."""


def group_reports(reports: Sequence[str], by: str = GroupBy.MEANING) -> Groups:
    """Group texts by average linkage, cut where two groups have too little in common.

    Groups are pure but split: they are proposed, and a gate counts what a person confirmed. At
    most 5,000 texts of 20,000 characters. Raises ValueError naming the field.
    Source: cosine distance of character 3-5-gram TF-IDF and of WordLlama's static embeddings.
    """
    texts, way = _texts(reports), _way(by)
    told = [at for at, text in enumerate(texts) if len(re.findall(r"\w+", text)) >= MIN_WORDS]
    labels = [TOO_SHORT] * len(texts)
    found: dict[int, int] = {}
    for at, group in zip(told, _groups([texts[at] for at in told], way), strict=True):
        labels[at] = found.setdefault(group, len(found))
    return Groups(labels=tuple(labels))


def _groups(texts: list[str], way: GroupBy) -> list[int]:
    if len(texts) < 2:
        return [0] * len(texts)
    apart = spatial.distance.squareform(_distances(texts, way), checks=False)
    tree = cluster.hierarchy.linkage(apart, "average")
    result: list[int] = cluster.hierarchy.fcluster(tree, CUTS[way], "distance").tolist()
    return result


def _distances(texts: list[str], way: GroupBy) -> Floats:
    vectors = _tf_idf(texts)
    alike: Floats = (vectors @ vectors.T).toarray()
    if way == GroupBy.MEANING:
        meaning = _meaning(texts)
        alike = (alike + meaning @ meaning.T) / 2
    result = np.maximum(0.0, 1 - (alike + alike.T) / 2)
    np.fill_diagonal(result, 0.0)
    return result


def _tf_idf(texts: list[str]) -> Any:
    """Return a sparse row of length 1 a text over all character 3-5-grams."""
    counted = [Counter(_grams(text)) for text in texts]
    columns: dict[str, int] = {}
    for counts in counted:
        for gram in counts:
            columns.setdefault(gram, len(columns))
    places = np.array([columns[gram] for counts in counted for gram in counts], np.intp)
    times = np.array([n for counts in counted for n in counts.values()], np.float64)
    ends = np.cumsum([0, *(len(counts) for counts in counted)])
    n_with = np.bincount(places, minlength=len(columns))
    rarity = np.log((1 + len(texts)) / (1 + n_with)) + 1
    table = sparse.csr_array((times * rarity[places], places, ends), (len(texts), len(columns)))
    lengths = np.sqrt(table.multiply(table).sum(axis=1))
    return sparse.diags_array(1 / np.where(lengths > 0, lengths, 1.0)).tocsr() @ table


def _grams(text: str) -> list[str]:
    plain = re.sub(r"\s+", " ", text.lower()).strip()
    return [plain[at : at + n] for n in SIZES for at in range(len(plain) - n + 1)]


def _meaning(texts: list[str]) -> Floats:
    from releases.statistics.static_embedding import embedded  # 33 MB: only when it is asked for

    try:
        return embedded(texts)
    except ImportError as error:
        raise ValueError(
            "by: grouping by meaning needs the package wordllama, which is not installed here; "
            "install requirements.txt, or group by letters"
        ) from error


def _texts(reports: Any) -> list[str]:
    given = list(inputs.listed("reports", reports))
    if len(given) > MAX_REPORTS:
        raise ValueError(f"reports: must be at most {MAX_REPORTS}, got {len(given)}")
    for at, text in enumerate(given):
        if not isinstance(text, str):
            raise ValueError(f"reports[{at}]: must be text, got {inputs.shown(text)}")
        if len(text) > MAX_CHARACTERS:
            raise ValueError(f"reports[{at}]: must have at most {MAX_CHARACTERS} characters")
        if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
            raise ValueError(f"reports[{at}]: holds half a character, which is no text")
    return given


def _way(by: Any) -> GroupBy:
    if not isinstance(by, str) or by not in set(GroupBy):
        raise ValueError(f"by: must be {' or '.join(GroupBy)}")
    return GroupBy(by)
