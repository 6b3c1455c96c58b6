"""Refusals of the management API look alike, whoever noticed first."""

from __future__ import annotations

import pytest
from django.conf import settings

from infra.roles import Scope
from tests import builders
from tests.clients import with_key

pytestmark = pytest.mark.django_db


def test_a_body_that_is_too_large_is_refused_in_the_shape_of_every_refusal() -> None:
    client = with_key(builders.cast().release_manager, Scope.PROMOTE)
    body = b'{"text": "' + b"a" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE + b'"}'
    reply = client.post("/api/pipelines/apply/", body, content_type="application/json")
    assert reply.status_code == 413
    assert reply.json() == {
        "code": "too_large",
        "message": "The body is larger than 8 MiB: send it in parts.",
        "reasons": [],
    }
