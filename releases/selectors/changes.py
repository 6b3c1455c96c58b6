"""What a promotion changes: the checkpoint that comes in against the one that serves there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from infra.word_diff import WordDiff, word_diff
from releases.models import Checkpoint, Price, Promotion, Release
from releases.selectors.checkpoints import price_at
from releases.selectors.family_tree import Tree, tree_of
from releases.states import Arm

ABSENT = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One property of both checkpoints, as text for people."""

    name: str
    current: str
    incoming: str

    @property
    def differs(self) -> bool:
        return self.current != self.incoming


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The incoming checkpoint beside the current one; `current` None: the first of its size."""

    incoming: Checkpoint
    current: Checkpoint | None
    release: Release | None
    """The current one's release."""
    summary: str
    """What changes, in one sentence."""
    lineage: str
    """How the two are related, in one sentence."""
    facts: Sequence[Fact]
    prompt: WordDiff

    @property
    def different(self) -> list[Fact]:
        return [fact for fact in self.facts if fact.differs]

    @property
    def same(self) -> list[Fact]:
        return [fact for fact in self.facts if not fact.differs]


def incumbent_at(promotion: Promotion, at: datetime) -> Release | None:
    """What served the promotion's place just before `at`; None: nothing of its size."""
    there = Release.objects.filter(
        Q(ended_at=None) | Q(ended_at__gte=at),
        stage=promotion.stage_id,
        size=promotion.checkpoint.size,
        arm=Arm.INCUMBENT.value,
        started_at__lt=at,
    ).exclude(promotion=promotion.pk)
    return there.select_related("checkpoint__family", "checkpoint__owner").first()


def changes_of(promotion: Promotion, now: datetime) -> Changes:
    """As of now, or as of its decision once it was decided; prices are those of that moment."""
    at = promotion.decided_at or now
    release = incumbent_at(promotion, at)
    return compared(promotion.checkpoint, release.checkpoint if release else None, release, at)


def compared(
    incoming: Checkpoint, current: Checkpoint | None, release: Release | None, at: datetime
) -> Changes:
    """Both checkpoints' properties, side by side."""
    facts = list(_facts(incoming, current, at))
    prompt = word_diff(_prompt(current) if current else "", _prompt(incoming))
    return Changes(
        incoming=incoming,
        current=current,
        release=release,
        summary=_summary(incoming, current, facts, prompt),
        lineage=_lineage(incoming, current),
        facts=facts,
        prompt=prompt,
    )


def _facts(incoming: Checkpoint, current: Checkpoint | None, at: datetime) -> Iterator[Fact]:
    def fact(name: str, now: str, then: str) -> Fact:
        return Fact(name=name, current=now if current else ABSENT, incoming=then)

    old = current or incoming
    yield fact("Size", old.size, incoming.size)
    yield fact("Made by", old.kind, incoming.kind)
    yield fact("Weights", _weights(old), _weights(incoming))
    yield fact(
        "Context window", f"{old.context_window:,} tokens", f"{incoming.context_window:,} tokens"
    )
    ours, theirs = _sampling(incoming), _sampling(old)
    for key in sorted({*ours, *(theirs if current else ())}):
        yield fact(key, _shown(theirs.get(key)), _shown(ours.get(key)))
    yield fact(
        "Template", _shown(old.serving.get("template")), _shown(incoming.serving.get("template"))
    )
    before, after = price_at(old.pk, at), price_at(incoming.pk, at)
    for name, field in _PRICES:
        yield fact(name, _money(before, field), _money(after, field))


_PRICES = (
    ("Input, a million tokens", "input_micros_per_million"),
    ("Cached input, a million tokens", "cached_input_micros_per_million"),
    ("Output, a million tokens", "output_micros_per_million"),
)


def _prompt(checkpoint: Checkpoint) -> str:
    return str(checkpoint.serving.get("system_prompt") or "")


def _sampling(checkpoint: Checkpoint) -> Mapping[str, Any]:
    return checkpoint.serving.get("sampling") or {}


def _weights(checkpoint: Checkpoint) -> str:
    n_files, n_bytes = len(checkpoint.manifest), sum(file["size"] for file in checkpoint.manifest)
    files = f"{n_files} file{'' if n_files == 1 else 's'}"
    return f"{_size(n_bytes)} in {files}, {checkpoint.manifest_digest[:12]}"


def _size(n_bytes: int) -> str:
    size, unit = float(n_bytes), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:.3g} {unit}"


def _shown(value: Any) -> str:
    if value is None:
        return ABSENT
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _money(price: Price | None, field: str) -> str:
    if price is None:
        return ABSENT
    return f"{getattr(price, field) / 1_000_000:,.4f} {price.currency}"


def _summary(
    incoming: Checkpoint, current: Checkpoint | None, facts: Sequence[Fact], prompt: WordDiff
) -> str:
    if current is None:
        return f"{incoming.name} is the first of size {incoming.size} there."
    if incoming.pk == current.pk:
        return f"{incoming.name} serves there already."
    same_weights = incoming.manifest_digest == current.manifest_digest
    changed = [_in_words(fact.name) for fact in facts if fact.differs and fact.name not in _UNSAID]
    if not prompt.is_equal:
        changed.insert(0, "the system prompt")
    weights = "The same weights" if same_weights else "Other weights"
    if not changed:
        return f"{weights}; everything that it is served with stays the same."
    return f"{weights}; {_listed(changed)} change{'s' if len(changed) == 1 else ''}."


_UNSAID = ("Weights", "Made by", "Size")


def _in_words(name: str) -> str:
    prices = {label: f"the price of {label.split(',')[0].lower()}" for label, _ in _PRICES}
    known = {"Context window": "the context window", "Template": "the template", **prices}
    return known.get(name, name)


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _lineage(incoming: Checkpoint, current: Checkpoint | None) -> str:
    tree = tree_of(incoming, *([current] if current else ()))
    ours = tree.line(incoming.pk)
    if current is None:
        return _made_from(tree, incoming)
    theirs = tree.line(current.pk)
    if current.pk in ours:
        steps = [
            f"{tree[pk].name} ({tree[pk].kind})" for pk in reversed(ours[: ours.index(current.pk)])
        ]
        return f"Made from {current.name}: {' → '.join(steps)}."
    if incoming.pk in theirs:
        return f"An ancestor of {current.name}: this goes back."
    shared = next((pk for pk in ours if pk in theirs), None)
    if shared is None:
        return f"No common ancestor with {current.name} is known."
    return f"Both come from {tree[shared].name}; neither is made from the other."


def _made_from(tree: Tree, checkpoint: Checkpoint) -> str:
    if checkpoint.parent_id is None or checkpoint.parent_id not in tree:
        return "No parent is known."
    return f"Made from {tree[checkpoint.parent_id].name} by {checkpoint.kind}."
