"""Who knows the names in pipeline files, and what gates can settle: `settings.POLICY_SOURCES`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from infra import people
from infra.errors import NotFound
from releases.documents import Document, Problem
from releases.gates.contract import Rule
from releases.policy import PipelineSpec
from releases.policy.advice import Advice, Question, questions
from releases.policy.names import Mention, What, mentions
from releases.selectors.checkpoints import checkpoint_named


class ReleaseNames:
    """Checkpoints and persons."""

    names = frozenset({What.CHECKPOINT, What.PERSON})
    kinds: frozenset[str] = frozenset()

    def problem(self, mention: Mention) -> str:
        """Empty, or what the lookup says."""
        look = checkpoint_named if mention.what is What.CHECKPOINT else people.person_named
        try:
            look(mention.name)
        except NotFound as unknown:
            return unknown.message
        return ""

    def settles(self, question: Question) -> tuple[str, Mapping[str, Any]]:
        """Nothing: it knows names alone."""
        return "", {}


def unknown_names(documents: Iterable[Document], kinds: Mapping[str, Rule]) -> list[Problem]:
    """Each name that no source has; a kind of name without a source is nobody's to refuse."""
    sources = _sources()
    found = []
    for document in documents:
        for mention in mentions(document, kinds):
            knowing = next((s for s in sources if mention.what in s.names), None)
            sentence = knowing.problem(mention) if knowing else ""
            if sentence:
                found.append(document.problem(mention.path, sentence))
    return found


def advice_on(spec: PipelineSpec) -> tuple[Advice, ...]:
    """What each gate and guardrail of the pipeline can settle, in its order."""
    sources = _sources()
    found = []
    for question in questions(spec):
        gate = question.gate
        adviser = next((source for source in sources if gate.kind in source.kinds), None)
        sentence, numbers = adviser.settles(question) if adviser else ("", {})
        if sentence:
            found.append(
                Advice(
                    stage=question.stage,
                    gate_id=gate.id,
                    kind=gate.kind,
                    sentence=sentence,
                    numbers=numbers,
                )
            )
    return tuple(found)


def _sources() -> list[Any]:
    return [import_string(path)() for path in settings.POLICY_SOURCES]
