"""A finding's cases, training rows and the road, as people walk them in the console."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from evals.models import Case, TrainingExport
from tests import builders as shared
from tests.alpha import builders as alpha
from tests.console.visits import signed_in
from tests.evals import builders
from tests.evals.services.test_regression import found
from tests.evals.training import world

pytestmark = pytest.mark.django_db


def test_what_is_shown_first_is_written_then() -> None:
    version = builders.published(3)
    of = alpha.access()
    remarks = [world.corrected(of, f"Mail ada{n}@x.example", f"word-{n}") for n in range(2)]
    finding = found(of, *remarks)
    client, path = signed_in("eval_owner"), reverse("console-finding-cases", args=[finding.pk])
    assert "Show what would be written" in client.get(path).content.decode()
    fields = {
        "suite": str(version.suite_id),
        "remarks": [str(one.pk) for one in remarks],
        "components": "echo.first",
    }
    shown = client.post(path, {"do": "plan", **fields}).content.decode()
    assert shown.count("1 piece of personal data taken out") == 2
    assert '<s dir="auto">ada0@x.example</s> is now <code>[email 1]</code>' in shown
    assert "Mail [email 1]" in shown
    digest = re.search(r'name="digest" value="([0-9a-f]{64})"', shown)
    assert digest is not None and not Case.objects.filter(finding=finding).exists()
    body = {"do": "make", **fields, "digest": digest[1], "reason": "Never again."}
    stale = client.post(path, {**body, "components": "echo.second"})
    assert stale.status_code == 409 and "look at it again" in stale.content.decode()
    assert client.post(path, body)["Location"] == reverse("console-suite", args=["echo"])
    assert Case.objects.filter(finding=finding).count() == 2
    after = client.get(path).content.decode()
    assert f"feedback-{remarks[0].pk}" in after and "No new remark is linked" in after


def test_a_remark_without_consent_is_written_anew_by_a_person() -> None:
    version = builders.published(3)
    of = alpha.access()
    event = alpha.usage_event(of)
    remark = alpha.feedback(of, state="new", request_id=event.request_id, correction="word-x")
    finding = found(of, remark)
    client, path = signed_in("eval_owner"), reverse("console-finding-cases", args=[finding.pk])
    fields = {
        "do": "plan",
        "suite": str(version.suite_id),
        "remarks": str(remark.pk),
        "components": "echo.first",
    }
    refused = client.post(path, fields).content.decode()
    assert "acme had not consented" in refused and "Nothing can be written" in refused
    assert "Add these cases" not in refused
    shown = client.post(path, {**fields, "messages": "word-x"}).content.decode()
    assert "Add these cases" in shown


def test_an_export_is_made_on_its_page_and_downloaded_from_it() -> None:
    shared.cast()
    of = alpha.access()
    world.many(of, 12)
    client, path = signed_in("eval_owner"), reverse("console-training")
    assert "No export yet" in client.get(path).content.decode()
    body = {"do": "export", "kind": "dpo", "validation_share": "0", "seed": "0", "grader": "{}"}
    answer = client.post(path, body)
    made = TrainingExport.objects.get()
    assert answer["Location"] == reverse("console-training-export", args=[made.pk])
    page = client.get(answer["Location"]).content.decode()
    link = reverse("training-export-file", args=[made.pk, "train.jsonl"])
    assert f'href="{link}"' in page
    assert len(b"".join(client.get(link).streaming_content).splitlines()) == 12
    rft = {**body, "kind": "rft", "grader": "no json"}
    assert "This is no JSON" in client.post(path, rft).content.decode()
    few = client.post(path, {**body, "kind": "rft", "grader": '{"type": "label_model"}'})
    assert few.status_code == 400 and "label_model" in few.content.decode()
    others = signed_in("engineer")
    assert "Eval owners and release managers export" in others.get(path).content.decode()
    assert others.post(path, body).status_code == 403


def test_the_road_says_what_is_not_there_yet_and_refuses_what_is_no_id() -> None:
    shared.cast()
    of = alpha.access()
    remark = world.corrected(of, "word-1", "word-1")
    client, path = signed_in("auditor"), reverse("console-lineage")
    assert "Show the road" in client.get(path).content.decode()
    page = client.get(path, {"id": str(remark.pk)}).content.decode()
    assert page.count("none yet") == 9
    assert reverse("console-feedback-item", args=[remark.pk]) in page
    assert client.get(path, {"id": "x' OR 1=1"}).status_code == 400
    assert client.get(path, {"id": str(of.partner.pk)}).status_code == 404
