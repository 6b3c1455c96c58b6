"""The test bench: real PostgreSQL and Valkey in a state folder of their own.

Rows are written as the application's role, so a missing right fails here first. A test that needs
real commits or several connections asks for `committed_db`: a copy of the migrated database that
is dropped afterwards, so no table ever has to be emptied.
"""

from __future__ import annotations

import gc
import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from tests import state_folder

_STATE = state_folder.make()
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

_n_stores = itertools.count()
# Logins are made by the hundred here; their passwords guard nothing.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def pytest_configure() -> None:
    # A conftest below may have set it again (the Celery application does).
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)


def pytest_collection_finish() -> None:
    """What imports and collection made stays to the end: collections need not walk it again."""
    gc.collect()
    gc.freeze()


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


@contextmanager
def own_database(template: str | None = None) -> Iterator[str]:
    """Work in a private copy of the database (or of `template`); its name. Dropped at the end."""
    original = settings.DATABASES["default"]["NAME"]
    name = f"t_{uuid4().hex[:12]}"
    copy_database(template or original, name)
    try:
        _work_in(name)
        yield name
    finally:
        connections.close_all()
        _work_in(original)
        drop_database(name)


def copy_database(template: str, name: str) -> None:
    """Make `name` as `template` is, of which nobody may be a client but this thread."""
    connections["default"].close()
    # Where files cost nothing they are copied; elsewhere through the log, without checkpoints.
    way = "file_copy" if state_folder.is_in_memory(_STATE) else "wal_log"
    _administer(f"CREATE DATABASE {name} TEMPLATE {template} OWNER slipway_owner STRATEGY {way}")


def drop_database(name: str) -> None:
    """It goes, whoever is still its client."""
    _administer(f"DROP DATABASE {name} WITH (FORCE)")


def _administer(statement: str) -> None:
    with psycopg.connect(database_url("superuser", "postgres"), autocommit=True) as admin:
        admin.execute(statement)


def _work_in(name: str) -> None:
    for place in (connections["default"].settings_dict, settings.DATABASES["default"]):
        place["NAME"] = name


@pytest.fixture
def committed_db(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The name of a private copy of the database, with real commits; dropped at the end."""
    with django_db_blocker.unblock(), own_database() as name:
        yield name


@pytest.fixture(scope="module")
def file_db(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, valkey: str
) -> Iterator[str]:
    """A private copy of the database for one file: what it builds there, its tests all find."""
    # What is committed sends its tasks.
    with django_db_blocker.unblock(), own_database() as name:
        yield name


@pytest.fixture(autouse=True)
def own_object_store(settings: object) -> Path:
    """Objects of one test stay in its own folder."""
    # By a count: pytest's own numbered folders are all listed for each new one.
    folder = Path(_STATE, "objects", str(next(_n_stores)))
    folder.mkdir(parents=True)
    settings.ARTIFACTS = f"file://{folder}"  # type: ignore[attr-defined]
    return folder
