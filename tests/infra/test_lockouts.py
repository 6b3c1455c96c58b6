"""Locks are exact with many attempts at once, and say who lifted them."""

from __future__ import annotations

import threading

import pytest
from django.db import connections

from infra import lockouts
from infra.errors import DomainError
from infra.models import SignInFailures
from tests import builders
from tests.infra.test_invitations import administrator

N_AT_ONCE = 12


def test_no_more_secrets_are_tried_than_the_limit_however_many_at_once(committed_db: str) -> None:
    builders.login("auditor")
    start, tried = threading.Barrier(N_AT_ONCE), []

    def attempt(n: int) -> None:
        start.wait()
        try:
            # Each from an address of its own, as from a botnet and by any server.
            tried.append(lockouts.begin(username="auditor", address=f"192.0.2.{n}"))
        except lockouts.TooManyFailures:
            pass
        finally:
            connections.close_all()

    threads = [threading.Thread(target=attempt, args=(n,)) for n in range(N_AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tried) == 5
    assert [len(one.last) for one in tried].count(1) == 1, "one of them fills the counter"
    assert SignInFailures.objects.get(kind="login").n_failed == 5


@pytest.mark.django_db
def test_lifting_needs_an_administrator_a_reason_and_a_lock() -> None:
    boss = administrator()
    named = {"kind": "login", "subject": "boss"}
    with pytest.raises(DomainError, match="not locked now"):
        lockouts.lift_lock(actor=boss, reason="Asked for.", **named)
    for _ in range(5):
        lockouts.failed(lockouts.begin(username="boss", address="192.0.2.1"))
    with pytest.raises(DomainError, match="Say why"):
        lockouts.lift_lock(actor=boss, reason=" ", **named)
    with pytest.raises(DomainError, match="allowed: administrators"):
        lockouts.lift_lock(actor=builders.cast().release_manager, reason="Let in.", **named)
    lockouts.lift_lock(actor=boss, reason="He forgot it.", **named)
    assert not lockouts.locks().exists()
    lockouts.begin(username="boss", address="192.0.2.1")


@pytest.mark.django_db
def test_what_was_typed_by_mistake_is_not_kept() -> None:
    lockouts.begin(username="hunter2-typed-as-login\x00", address="192.0.2.1")
    kept = SignInFailures.objects.get(kind="login").subject
    assert kept.startswith("unknown:") and "hunter2" not in kept
