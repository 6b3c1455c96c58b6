"""The OpenAPI schema is what the management API does: no 5xx, no undocumented answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from django.core import signals
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, settings
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from infra.roles import Role, Scope
from infra.service_keys import make_service_key
from tests import builders

load_all_checks()
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
UNHURRIED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much]

schema = schemathesis.openapi.from_wsgi("/api/schema/?format=json", get_wsgi_application())


@pytest.fixture
def open_transaction(db: None) -> Iterator[None]:
    """Requests share the test's transaction, as those of Django's own test client do."""
    ends = (signals.request_started, signals.request_finished)
    for signal in ends:
        signal.disconnect(close_old_connections)
    yield
    for signal in ends:
        signal.connect(close_old_connections)


@pytest.fixture
def headers(open_transaction: None) -> dict[str, str]:
    """A service key with every scope."""
    manager = builders.cast().release_manager
    _, text = make_service_key(actor=manager, name="ci", scopes=list(Scope))
    return {"Authorization": f"Bearer {text}"}


@schema.parametrize()
@settings(max_examples=1, deadline=None, suppress_health_check=UNHURRIED)
def test_every_operation_keeps_its_schema(case: Any, headers: dict[str, str]) -> None:
    case.call_and_validate(headers=headers, checks=CHECKS)


@pytest.mark.long
@pytest.mark.django_db
def test_a_stranger_gets_nothing() -> None:
    """Whoever asks is known before what is asked is read: no body is needed to be refused."""
    client, answered = Client(), {}
    for operation in (found.ok() for found in schema.get_all_operations()):
        if not operation.path.startswith(("/api/health", "/api/schema")):
            path = operation.path.format_map(_values(operation))
            answered[operation.label] = client.generic(operation.method, path).status_code
    assert len(answered) > 150
    assert {label: status for label, status in answered.items() if status != 401} == {}


def _values(operation: Any) -> dict[str, str]:
    """A value of the right kind for each parameter of the path, so that the route is found."""
    kinds = {p.name: p.definition.get("schema", {}) for p in operation.path_parameters}
    return {name: _of_kind(kind) for name, kind in kinds.items()}


def _of_kind(kind: dict[str, Any]) -> str:
    if kind.get("format") == "uuid":
        return str(UUID(int=0))
    return "1" if kind.get("type") == "integer" else kind.get("enum", ["a-name"])[0]


@pytest.mark.django_db
def test_the_docs_page_is_served_from_the_origin() -> None:
    client = Client()
    client.force_login(builders.login("ed", Role.ENGINEER))
    page = client.get("/api/docs/").content.decode()
    assert "https://" not in page and "/static/drf_spectacular_sidecar/" in page


def test_the_schema_is_whole() -> None:
    document = json.loads(Client().get("/api/schema/?format=json").content)
    assert document["openapi"].startswith("3.") and "/api/partners/" in document["paths"]


def test_the_schema_generates_without_a_warning(tmp_path: Path) -> None:
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "schema.yml"))
