"""A judge's endpoint, and one story for the tests of a file."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from django.test import override_settings

from tests.evals.judges.story import Story

ENDPOINTS = {"judge-model": {"base_url": "http://127.0.0.1:9/v1"}}


@pytest.fixture(scope="module")
def told(file_db: str) -> Story:
    with override_settings(JUDGE_ENDPOINTS=ENDPOINTS):
        return Story()


@pytest.fixture
def story(told: Story, endpoints: None, db: None) -> Story:
    return copy.deepcopy(told)


@pytest.fixture
def endpoints(settings: Any) -> None:
    settings.JUDGE_ENDPOINTS = ENDPOINTS
