"""The audit log of the whole walk. Last: the final test falsifies it."""

from __future__ import annotations

import psycopg
import pytest

from tests.walk.product import Product


def test_the_whole_walk_left_an_unbroken_chain(demo: Product) -> None:
    counted = "SELECT count(*) FROM audit_entry"
    before = demo.value(counted)
    found = demo.told("audit", "verify")
    assert found["problem"] is None
    # What runs by itself may write meanwhile.
    assert 20 < before <= found["n_entries"] <= demo.value(counted)


def test_the_application_may_not_rewrite_history(demo: Product) -> None:
    refused = psycopg.errors.InsufficientPrivilege
    for statement in (
        "UPDATE audit_entry SET reason = 'It was somebody else.' WHERE seq = 5",
        "DELETE FROM audit_entry WHERE seq = 5",
        "TRUNCATE audit_entry",
    ):
        with pytest.raises(refused, match="permission denied for table audit_entry"):
            demo.sql(statement, role="app")
    assert demo.told("audit", "verify")["problem"] is None


def test_not_even_the_superuser_rewrites_history_in_passing(demo: Product) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        demo.sql(
            "SET LOCAL session_replication_role = replica; "
            "UPDATE audit_entry SET reason = 'It was somebody else.' WHERE seq = 5",
            role="superuser",
        )


def test_an_edit_forced_with_the_triggers_off_is_named(demo: Product) -> None:
    demo.sql(
        "ALTER TABLE audit_entry DISABLE TRIGGER ALL; "
        "UPDATE audit_entry SET reason = 'It was somebody else.' WHERE seq = 5",
        role="superuser",
    )
    said = demo.manage("audit", "verify", code=1)
    assert "entry 5" in said and "was changed" in said
