"""Clock, identifiers, lifecycles, actors, settings: the small things everything rests on."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.db import connection

from infra import clock, ids
from infra.actors import Actor, ActorKind, system
from infra.database_roles import WRITTEN_ONCE
from infra.errors import InvalidMove, NotPermitted
from infra.lifecycles import check_move
from infra.roles import Role, Scope, role_named
from releases.states import PROMOTION_TRANSITIONS, PromotionState

PROJECT = Path(__file__).resolve().parent.parent.parent


def test_the_clock_stops_and_moves() -> None:
    moment = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    with clock.frozen_at(moment), clock.moved_by(timedelta(days=30)):
        assert clock.now() == moment + timedelta(days=30)
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_a_uuid7_tells_when_it_was_made_and_sorts() -> None:
    made = [ids.uuid7() for _ in range(100)]
    assert made == sorted(made)
    assert abs(ids.created_at(made[0]) - datetime.now(UTC)) < timedelta(seconds=5)


def test_a_move_outside_the_table_says_what_is_possible() -> None:
    with pytest.raises(InvalidMove, match="final"):
        check_move(
            PROMOTION_TRANSITIONS,
            PromotionState.PROMOTED,
            PromotionState.WAITING,
            "The promotion",
        )


def test_a_key_acts_by_scope_and_never_as_a_person() -> None:
    key = Actor(kind=ActorKind.SERVICE_KEY, name="ci", scopes=frozenset({Scope.RUN}))
    assert key.may(Role.ENGINEER, scope=Scope.RUN) and not key.may(Role.ENGINEER)
    with pytest.raises(NotPermitted, match="Only a person may approve"):
        key.must_be_person("approve")
    with pytest.raises(NotPermitted):
        system("scheduler").must_be_person("approve")


@pytest.mark.parametrize("name", ["release-manager", "release-managers"])
def test_a_role_is_named_in_singular_or_plural(name: str) -> None:
    assert role_named(name) is Role.RELEASE_MANAGER


def test_an_unknown_role_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="known roles: release-managers"):
        role_named("boss")


@pytest.mark.django_db
def test_the_application_may_not_change_what_is_written_once() -> None:
    with connection.cursor() as cursor:
        for table in sorted(WRITTEN_ONCE):
            for right in ("UPDATE", "DELETE", "TRUNCATE"):
                cursor.execute("SELECT has_table_privilege(%s, %s)", [table, right])
                assert cursor.fetchone() == (False,), (table, right)


@pytest.mark.django_db
def test_the_application_is_no_superuser_and_owns_nothing() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (False,)
        cursor.execute("SELECT count(*) FROM pg_tables WHERE tableowner = current_user")
        assert cursor.fetchone() == (0,)


def test_system_checks_find_nothing() -> None:
    assert run_checks() == []


def test_a_server_without_a_secret_key_is_refused_with_a_sentence(tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "SLIPWAY_STATE_DIR": str(tmp_path),
        "SLIPWAY_DATABASE_URL": "postgresql://a:b@127.0.0.1:1/slipway",
    }
    found = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.returncode != 0 and "SLIPWAY_SECRET_KEY is not set" in found.stderr
