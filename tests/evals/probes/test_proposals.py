"""Hypotheses of a model: read strictly, and reviewed like any other."""

from __future__ import annotations

import json

import pytest

from evals import judge_endpoints
from evals.probes.proposals import Proposal, read_hypotheses
from evals.runner import probe_proposals
from evals.selectors import probes as reads
from infra.errors import DomainError, InvalidInput, NotPermitted
from tests import builders
from tests.evals.probes import story
from tests.evals.upstream import Reply, Upstream, completion, failure

TWO = {
    "hypotheses": [
        {"component": "Question mark", "sentence": "It ends with a full stop."},
        {"component": "Numbers", "sentence": "Numbers are spelled out."},
    ]
}


@pytest.mark.parametrize(
    ("text", "n"),
    [
        (json.dumps(TWO), 2),
        (f"Sure!\n```json\n{json.dumps(TWO)}\n```", 2),
        ('{"hypotheses": [{"component": "x"}, 3, {"component": " ", "sentence": "y"}]}', 0),
        ('{"hypotheses": "many"}', 0),
        ("[]", 0),
        ("no idea", 0),
        ("", 0),
    ],
    ids=["json", "fenced", "incomplete", "text", "list", "words", "empty"],
)
def test_only_well_formed_hypotheses_are_read(text: str, n: int) -> None:
    found = read_hypotheses(text, 3)
    assert len(found) == n
    assert all(isinstance(one, Proposal) for one in found)
    assert len(read_hypotheses(text, 1)) == min(n, 1)


def proposing(text: str, n_asked: int) -> Reply | None:
    """Two hypotheses; a rewriting of the first alone."""
    if text.startswith("A language model"):
        return completion(json.dumps(TWO))
    message = text.rpartition("\n\n")[2]
    return completion(message.replace("?", ".") if "full stop" in text else message)


@pytest.mark.django_db
def test_a_proposal_becomes_pairs_that_wait_for_a_person(settings) -> None:
    cast = builders.cast()
    probe = story.designed(cast.engineer, builders.checkpoint(), templates=["answer_in_english"])
    with Upstream() as server:
        server.rules.append(proposing)
        settings.JUDGE_ENDPOINTS = judge_endpoints.parse(
            json.dumps({"judge": {"base_url": server.base_url}})
        )
        found = probe_proposals.propose(actor=cast.engineer, probe=probe, model="judge")
        asked = str(server.bodies[0])
    assert "It is weird in long chats." in asked and "Suspected already: language." in asked
    assert [one.name for one in found.made] == ["question_mark"]
    assert len(found.refused) == 1 and found.refused[0].startswith("Numbers: ")
    made = reads.pairs_of(probe).filter(hypothesis__name="question_mark")
    assert {pair.state for pair in made} == {"proposed"}
    assert made[0].hypothesis.source == "model"
    assert made[0].changed["messages"][-1]["content"] == "Question 0."


@pytest.mark.django_db
def test_a_model_that_fails_or_is_unknown_changes_nothing(settings) -> None:
    cast = builders.cast()
    probe = story.designed(cast.engineer, builders.checkpoint(), templates=["answer_in_english"])
    with Upstream() as server:
        server.rules.append(lambda text, n: failure(400))
        settings.JUDGE_ENDPOINTS = judge_endpoints.parse(
            json.dumps({"judge": {"base_url": server.base_url}})
        )
        with pytest.raises(DomainError) as refused:
            probe_proposals.propose(actor=cast.engineer, probe=probe, model="judge")
        assert refused.value.code == "model_unanswered"
        with pytest.raises(InvalidInput):
            probe_proposals.propose(actor=cast.engineer, probe=probe, model="nobody")
        with pytest.raises(NotPermitted):
            probe_proposals.propose(actor=cast.auditor, probe=probe, model="judge")
    assert probe.hypotheses.count() == 1
