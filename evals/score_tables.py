"""Scores of a run as arrays: which cases count for a node, and every sample of theirs.

Sparse by node, since a case counts for few of a tree's nodes: ten thousand cases under fifty nodes
are read back in milliseconds. Kept as zstd of NumPy's own archive; nothing in it is code.
"""

from __future__ import annotations

import io
import json
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import zstandard
from numpy.typing import NDArray

from evals import components

LARGEST_BYTES = 4 * 1024**3
Floats = NDArray[np.float64]
Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CaseKeys:
    """The cases of a run in the suite's order; a case is the same by id and content."""

    case_ids: Sequence[str]
    digests: Sequence[str]
    clusters: Sequence[str | None]

    def keys(self) -> list[tuple[str, str]]:
        """What pairs a case with the same one of another run."""
        return list(zip(self.case_ids, self.digests, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NodeSamples:
    """The cases of one node with their scores."""

    cases: Ints
    """Positions of the node's cases, ascending, shape (n,)."""
    counts: Ints
    """Scored repeats a case, 0 when all are missing, shape (n,)."""
    scores: Floats
    """All samples, case by case, shape (sum of counts,)."""

    def means(self) -> Floats:
        """Mean score a case, NaN when missing, shape (n,)."""
        found = np.full(len(self.cases), np.nan)
        has_some = self.counts > 0
        if has_some.any():
            first = (np.cumsum(self.counts) - self.counts)[has_some]
            found[has_some] = np.add.reduceat(self.scores, first) / self.counts[has_some]
        return found

    def samples(self) -> list[tuple[float, ...]]:
        """The scores of each case; empty when missing."""
        counts, flat = self.counts.tolist(), self.scores.tolist()
        ends = np.cumsum(self.counts).tolist()
        return [tuple(flat[end - n : end]) for end, n in zip(ends, counts, strict=True)]

    def only(self, kept: NDArray[np.bool_]) -> NodeSamples:
        """Those of the cases that the mask of shape (n,) keeps."""
        samples = np.repeat(kept, self.counts)
        return NodeSamples(
            cases=self.cases[kept], counts=self.counts[kept], scores=self.scores[samples]
        )

    def is_plain(self) -> bool:
        """Whether no case has more than one sample, and every one is 0 or 1."""
        one_each = not self.counts.size or int(self.counts.max()) <= 1
        return one_each and bool(np.isin(self.scores, (0.0, 1.0)).all())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoreTable:
    """A completed run: its cases, their scores by node, and what each answer took."""

    nodes: tuple[str, ...]
    """In the tree's order, the root first."""
    keys: CaseKeys
    starts: NDArray[np.int64]
    """Where each node's cases begin in `cases`, and the end, shape (nodes + 1,)."""
    cases: Ints
    counts: Ints
    scores: Floats
    answer_cases: Ints
    """Position of the case of each result, shape (results,)."""
    cost_micros: Floats
    """Micro-units a result, NaN when unknown, shape (results,)."""
    latency_ms: Floats
    """Milliseconds a result, NaN when unknown, shape (results,)."""

    def at(self, node: str) -> NodeSamples:
        """The node's cases; empty for a node that no case of the run counts for."""
        if node not in self.nodes:
            nothing = np.empty(0, np.int32)
            return NodeSamples(cases=nothing, counts=nothing, scores=np.empty(0))
        at = self.nodes.index(node)
        first, end = int(self.starts[at]), int(self.starts[at + 1])
        before = int(self.counts[:first].sum(dtype=np.int64))
        counts = self.counts[first:end]
        after = before + int(counts.sum(dtype=np.int64))
        return NodeSamples(
            cases=self.cases[first:end], counts=counts, scores=self.scores[before:after]
        )

    def node_clusters(self, node: str) -> list[str | None]:
        """The cluster of each of the node's cases."""
        return [self.keys.clusters[i] for i in self.at(node).cases.tolist()]


class Gathering:
    """Collects a run's samples, the repeats of a case one after the other."""

    def __init__(self) -> None:
        self._cases: dict[str, array[int]] = {}
        self._scores: dict[str, array[float]] = {}
        self._answers = (array("i"), array("d"), array("d"))

    def answered(self, case: int, cost_micros: float | None, latency_ms: float | None) -> None:
        """One result, whatever became of it."""
        cases, costs, latencies = self._answers
        cases.append(case)
        costs.append(np.nan if cost_micros is None else cost_micros)
        latencies.append(np.nan if latency_ms is None else latency_ms)

    def scored(self, case: int, scores: Mapping[str, float]) -> None:
        """One scored repeat: its score at every node it counts for."""
        for node, score in scores.items():
            if node not in self._cases:
                self._cases[node], self._scores[node] = array("i"), array("d")
            self._cases[node].append(case)
            self._scores[node].append(score)

    def table(self, keys: CaseKeys, missing: Mapping[int, Iterable[str]]) -> ScoreTable:
        """Everything as arrays; `missing` names the nodes of the cases without a scored repeat."""
        unscored: dict[str, list[int]] = {}
        for case, labels in missing.items():
            for node in labels:
                unscored.setdefault(node, []).append(case)
        nodes = tuple(components.tree({*self._cases, *unscored}))
        parts = [self._part(node, unscored.get(node, [])) for node in nodes]
        answers = [np.frombuffer(kept, kept.typecode) for kept in self._answers]
        return ScoreTable(
            nodes=nodes,
            keys=keys,
            starts=np.cumsum([0, *(len(part.cases) for part in parts)]).astype(np.int64),
            cases=_joined([part.cases for part in parts], np.int32),
            counts=_joined([part.counts for part in parts], np.int32),
            scores=_joined([part.scores for part in parts], np.float64),
            answer_cases=answers[0].astype(np.int32),
            cost_micros=answers[1].copy(),
            latency_ms=answers[2].copy(),
        )

    def _part(self, node: str, missing: Sequence[int]) -> NodeSamples:
        found = np.array(self._cases.get(node, ()), np.int32)
        given = np.array(self._scores.get(node, ()), np.float64)
        order = np.argsort(found, kind="stable")
        cases = np.union1d(found, np.array(missing, np.int32)).astype(np.int32)
        counts = np.bincount(np.searchsorted(cases, found), minlength=len(cases)).astype(np.int32)
        return NodeSamples(cases=cases, counts=counts, scores=given[order])


def _joined(parts: Sequence[NDArray[np.generic]], kind: type) -> NDArray[np.generic]:
    return np.concatenate(parts) if parts else np.empty(0, kind)


_ARRAYS = tuple(field.name for field in fields(ScoreTable) if field.name not in ("nodes", "keys"))


def pack(table: ScoreTable) -> bytes:
    """The bytes to keep."""
    keys = table.keys
    words = {
        "nodes": table.nodes,
        "case_ids": list(keys.case_ids),
        "digests": list(keys.digests),
        "clusters": list(keys.clusters),
    }
    text = np.frombuffer(json.dumps(words).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, words=text, **{name: getattr(table, name) for name in _ARRAYS})
    return zstandard.compress(buffer.getvalue())


def unpack(kept: bytes | memoryview) -> ScoreTable:
    """The table again, number by number as it was."""
    content = zstandard.decompress(bytes(kept), max_output_size=LARGEST_BYTES)
    with np.load(io.BytesIO(content), allow_pickle=False) as found:
        words = json.loads(found["words"].tobytes())
        arrays = {name: found[name] for name in _ARRAYS}
    nodes = tuple(words.pop("nodes"))
    return ScoreTable(nodes=nodes, keys=CaseKeys(**words), **arrays)
