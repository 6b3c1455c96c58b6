"""The test bench: real PostgreSQL and Valkey in a state folder of their own.

Rows are written as the application's role, so a missing right fails here first. A test that needs
real commits or several connections asks for `committed_db`: a copy of the migrated database that
is dropped afterwards, so no table ever has to be emptied.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

_STATE = tempfile.mkdtemp(prefix="slw-")
os.environ["SLIPWAY_STATE_DIR"] = _STATE
os.environ["DJANGO_SETTINGS_MODULE"] = "infra.settings"
for _name in ("SLIPWAY_DATABASE_URL", "SLIPWAY_REDIS_URL", "SLIPWAY_ARTIFACTS"):
    os.environ.pop(_name, None)

import django  # noqa: E402

django.setup()
# Test processes started from this one would load the settings before their own state folder.
del os.environ["DJANGO_SETTINGS_MODULE"]

import psycopg  # noqa: E402
import pytest  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connections  # noqa: E402
from pytest_django.plugin import DjangoDbBlocker  # noqa: E402
from xdist.scheduler import LoadScopeScheduling  # noqa: E402

from infra import embedded  # noqa: E402
from tests import migrated_cluster  # noqa: E402

# Logins are made by the hundred here; their passwords guard nothing.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def pytest_configure() -> None:
    # A conftest below may have set it again (the Celery application does).
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)


def pytest_unconfigure() -> None:
    embedded.stop_valkey(force=True)
    embedded.stop_postgres(force=True)
    shutil.rmtree(_STATE, ignore_errors=True)


class ByFile(LoadScopeScheduling):
    """Two processes share the tests file by file; the walk has one product, so it stays whole."""

    def _split_scope(self, nodeid: str) -> str:
        return "tests/walk" if nodeid.startswith("tests/walk/") else nodeid.split("::", 1)[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


@pytest.fixture(scope="session")
def kept_cluster() -> bool:
    """Whether the session begins with a migrated cluster that an earlier one kept."""
    return migrated_cluster.restore(Path(_STATE))


@pytest.fixture(scope="session")
def postgres(kept_cluster: bool) -> None:
    """A running PostgreSQL that does not wait for the disk: these rows outlive no test."""
    _start_postgres()


def _start_postgres() -> None:
    embedded.start_postgres(tethered=True)
    with psycopg.connect(embedded.database_url("superuser"), autocommit=True) as admin:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            admin.execute(f"ALTER SYSTEM SET {setting} = off")
        admin.execute("SELECT pg_reload_conf()")


@pytest.fixture(scope="session")
def valkey() -> str:
    """URL of a running Valkey."""
    embedded.start_valkey(tethered=True)
    return embedded.redis_url()


def connect_as(user: str, password: str) -> None:
    """Point Django's connection at the same database as another role."""
    connection = connections["default"]
    connection.close()
    connection.settings_dict.update(USER=user, PASSWORD=password)


def _use_role(role: str) -> None:
    url = urlsplit(embedded.database_url(role))
    connect_as(url.username or "", url.password or "")


@pytest.fixture(scope="session")
def django_db_setup(kept_cluster: bool, postgres: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Migrate as the owner, then work as the application."""
    with django_db_blocker.unblock():
        if not kept_cluster:
            _use_role("owner")
            call_command("migrate", verbosity=0, interactive=False)
            connections.close_all()
            embedded.stop_postgres(force=True)
            migrated_cluster.keep(Path(_STATE))
            _start_postgres()
        _use_role("app")


def database_url(role: str, name: str | None = None) -> str:
    """The URL of the database under test (or of `name`) for psycopg, as `role`."""
    url = urlsplit(embedded.database_url(role))
    current = connections["default"].settings_dict["NAME"]
    return urlunsplit(url._replace(path=f"/{name or current}"))


@pytest.fixture
def committed_db(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The name of a private copy of the database, with real commits; dropped at the end."""
    original = settings.DATABASES["default"]["NAME"]
    name = f"t_{uuid4().hex[:12]}"
    with psycopg.connect(database_url("superuser", "postgres"), autocommit=True) as admin:
        connections["default"].close()
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {original} OWNER slipway_owner")
        with django_db_blocker.unblock():
            connections["default"].settings_dict["NAME"] = name
            settings.DATABASES["default"]["NAME"] = name
            try:
                yield name
            finally:
                connections.close_all()
                connections["default"].settings_dict["NAME"] = original
                settings.DATABASES["default"]["NAME"] = original
                admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(autouse=True)
def own_object_store(tmp_path_factory: pytest.TempPathFactory, settings: object) -> Path:
    """Objects of one test stay in its own folder."""
    folder = tmp_path_factory.mktemp("objects")
    settings.ARTIFACTS = f"file://{folder}"  # type: ignore[attr-defined]
    return folder
