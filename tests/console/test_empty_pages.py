"""What pages without anything on them say."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tests import builders
from tests.clients import signed_in

pytestmark = pytest.mark.django_db


def test_empty_pages_say_what_to_do_next() -> None:
    builders.login("admin")
    client = signed_in("admin")
    for route, words in (
        ("console-board", "manage.py apply"),
        ("console-checkpoints", "checkpoint register"),
        ("console-suites", "suite import"),
        ("console-runs", "run start SUITE CHECKPOINT"),
        ("console-compare", "start a run"),
        ("console-partners", "Make one on this page"),
        ("console-feedback", "POST /v1/feedback"),
        ("console-calls", "first call"),
        ("console-promotions", "promotion request"),
    ):
        assert words in client.get(reverse(route)).content.decode(), route
