"""Who may do what: every caller before every action, and the reason for whoever may not.

The tables stand in `forward_actions` and `control_actions`; each line is held through the services
and over HTTP. Everything is tried from the same moment, and taken back before the next caller.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction

from infra.errors import DomainError
from tests.releases import control_actions, forward_actions
from tests.releases.callers import NAMES, Callers, callers, remove
from tests.releases.forward_actions import YES, Action

pytestmark = pytest.mark.django_db
ACTIONS = [*forward_actions.ACTIONS, *control_actions.ACTIONS]
# A partner's key opens no door of the management API at all.
STRANGER = "authentication_failed"


class TakenBack(Exception):
    """Ends an attempt; what it wrote is gone."""


@contextmanager
def attempt() -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
            raise TakenBack
    except TakenBack:
        return


def by_service(action: Action, by: Callers, caller: str, context: Any) -> str:
    """The refusal's code; empty when it was done."""
    try:
        action.do(by.actors[caller], context)
    except DomainError as refusal:
        assert refusal.http_status == 403, (caller, refusal.code, refusal.message)
        assert refusal.reasons and refusal.reasons[0].code == refusal.code
        return refusal.code
    return YES


def over_http(action: Action, by: Callers, caller: str, context: Any) -> tuple[int, str]:
    assert action.call is not None
    path, body = action.call(context)
    answer = by.clients[caller].post(f"/api/{path}", body, format="json")
    if answer.status_code < 300:
        return 200, YES
    return answer.status_code, answer.json()["code"]


def expected_status(action: Action, caller: str) -> tuple[int, str]:
    if caller == "partner_key":
        return 401, STRANGER
    code = action.code_for(caller)
    return (403, code) if code else (200, YES)


@pytest.fixture(scope="module")
def everybody(file_db: str) -> Callers:
    return callers()


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_who_may_and_who_is_told_what(action: Action, everybody: Callers, db: None) -> None:
    by = copy.deepcopy(everybody)
    context = action.begin(by)
    remove(by)
    served, answered = {}, {}
    for caller in NAMES:
        with attempt():
            served[caller] = by_service(action, by, caller, context)
        if action.call is not None:
            with attempt():
                answered[caller] = over_http(action, by, caller, context)
    assert served == dict(zip(NAMES, action.told, strict=True))
    if action.call is not None:
        assert answered == {caller: expected_status(action, caller) for caller in NAMES}


def test_every_action_is_asked_once() -> None:
    names = [action.name for action in ACTIONS]
    assert len(names) == len(set(names)) == 29
    assert all(len(action.told) == len(NAMES) for action in ACTIONS)
