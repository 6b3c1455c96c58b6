"""A case made from feedback on its page, with graders of its own."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from evals.models import Case
from infra.ids import uuid7
from tests.alpha import builders as alpha
from tests.console.visits import signed_in
from tests.evals import builders

pytestmark = pytest.mark.django_db
OWN = [{"type": "regex", "pattern": "^word", "components": ["echo.second"]}]


def test_graders_of_a_case_are_a_json_list() -> None:
    version = builders.published(3)
    feedback = alpha.feedback(alpha.access(), state="new", request_id=uuid7())
    client = signed_in("eval_owner")
    path = reverse("console-feedback-item", args=[feedback.pk])
    body = {
        "do": "case",
        "suite": str(version.suite_id),
        "messages": "word-x",
        "target": "word-x",
        "components": "echo.first",
        "reason": "It was wrong.",
    }
    for graders, said in [
        ("[", "no JSON"),
        ('{"type": "regex"}', "JSON list of objects"),
        ('[{"type": "vibes"}]', "unknown grader"),
        ("[7]", "is no grader"),
    ]:
        answer = client.post(path, {**body, "graders": graders})
        assert answer.status_code in (200, 400, 409)
        assert said in answer.content.decode()
    assert not Case.objects.filter(feedback=feedback).exists()
    answer = client.post(path, {**body, "graders": json.dumps(OWN)})
    assert answer.status_code == 302
    assert Case.objects.get(feedback=feedback).graders == OWN
    page = client.get(answer["Location"]).content.decode()
    assert "Graders of this case" in page and "^word" in page
