from __future__ import annotations

import psycopg
import pytest
from django.db import InternalError, ProgrammingError, connection, transaction

from infra import audit
from infra.actors import system
from infra.errors import DomainError
from infra.models import AuditEntry
from tests import builders, conftest


def write(n: int) -> None:
    family = builders.family()
    for index in range(n):
        with transaction.atomic():
            audit.record(
                actor=system("test"), action="tested", subject=family, after={"index": index}
            )


@pytest.mark.django_db
def test_a_whole_chain_verifies() -> None:
    write(3)
    found = audit.verify()
    assert (found.problem, found.n_entries) == (None, 3)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement", ["UPDATE audit_entry SET reason = 'x'", "DELETE FROM audit_entry"]
)
def test_the_application_cannot_rewrite_the_log(statement: str) -> None:
    write(1)
    with pytest.raises((ProgrammingError, InternalError), match="permission denied"):
        with connection.cursor() as cursor:
            cursor.execute(statement)


def superuser(name: str) -> psycopg.Connection:
    return psycopg.connect(conftest.database_url("superuser", name), autocommit=True)


def test_the_owner_is_refused_by_the_trigger(committed_db: str) -> None:
    write(1)
    with psycopg.connect(conftest.database_url("owner", committed_db)) as owner:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            owner.execute("UPDATE audit_entry SET reason = 'x'")


def test_an_edit_forced_with_triggers_off_is_named(committed_db: str) -> None:
    write(4)
    with superuser(committed_db) as admin:
        admin.execute("ALTER TABLE audit_entry DISABLE TRIGGER ALL")
        admin.execute("UPDATE audit_entry SET reason = 'forged' WHERE seq = 2")
    found = audit.verify()
    assert found.seq == 2 and "entry 2" in str(found.problem)


def test_a_gap_is_named(committed_db: str) -> None:
    write(4)
    with superuser(committed_db) as admin:
        admin.execute("ALTER TABLE audit_entry DISABLE TRIGGER ALL")
        admin.execute("DELETE FROM audit_entry WHERE seq = 3")
    assert "entry 3 is missing" in str(audit.verify().problem)


def test_a_cut_tail_is_named_by_the_anchor(committed_db: str) -> None:
    write(4)
    audit.anchor()
    with superuser(committed_db) as admin:
        admin.execute("ALTER TABLE audit_entry DISABLE TRIGGER ALL")
        admin.execute("DELETE FROM audit_entry WHERE seq >= 3")
    assert audit.anchor() == 4
    assert "3 to 4 are missing" in str(audit.verify().problem)


def test_audit_outside_its_transaction_is_refused(committed_db: str) -> None:
    family = builders.family()
    with pytest.raises(DomainError, match="outside its change"):
        audit.record(actor=system("test"), action="tested", subject=family)
    assert not AuditEntry.objects.exists()
