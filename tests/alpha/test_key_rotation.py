"""Keys are rotated with an overlap, by managers, the API and commands."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alpha.models import Key
from alpha.quotas import Quotas
from alpha.services import keys
from infra import clock
from infra.errors import InvalidInput, InvalidMove, NotPermitted
from infra.models import AuditEntry
from infra.roles import Role
from tests import builders
from tests.alpha import builders as alpha_builders
from tests.alpha.test_api import post, signed_in
from tests.alpha.test_limits import command

pytestmark = pytest.mark.django_db
A_DAY = timedelta(days=1)


def test_a_successor_has_what_the_key_had_and_both_work_for_a_while() -> None:
    access, manager = alpha_builders.access(), builders.cast().partner_manager
    ends = clock.now() + timedelta(days=90)
    old, _ = keys.issue_key(
        actor=manager,
        partner=access.partner,
        name="ci",
        expires_at=ends,
        allowed_addresses=["203.0.113.0/24"],
        quotas=Quotas(requests_per_minute=9),
    )
    new, text = keys.rotate_key(actor=manager, key=old, overlap=A_DAY)
    old.refresh_from_db()
    assert text.startswith(f"slw_{new.public}_") and new.public != old.public
    assert (new.name, new.expires_at, new.replaces_id) == ("ci", ends, old.pk)
    assert (new.allowed_addresses, new.quotas) == (old.allowed_addresses, old.quotas)
    assert A_DAY - timedelta(minutes=5) < old.expires_at - clock.now() <= A_DAY
    assert AuditEntry.objects.filter(action="key.rotated").count() == 1


def test_an_overlap_never_lengthens_a_key() -> None:
    access, manager = alpha_builders.access(), builders.cast().partner_manager
    soon = clock.now() + timedelta(hours=1)
    old, _ = keys.issue_key(actor=manager, partner=access.partner, expires_at=soon)
    keys.rotate_key(actor=manager, key=old, overlap=A_DAY)
    old.refresh_from_db()
    assert old.expires_at == soon


def test_a_key_is_rotated_once_and_not_after_its_end() -> None:
    access, manager = alpha_builders.access(), builders.cast().partner_manager
    successor, _ = keys.rotate_key(actor=manager, key=access.key, overlap=A_DAY)
    with pytest.raises(InvalidMove, match="was rotated to"):
        keys.rotate_key(actor=manager, key=access.key, overlap=A_DAY)
    keys.revoke_key(actor=manager, key=successor, reason="lost")
    # What nobody holds any more is no reason to be without a key.
    keys.rotate_key(actor=manager, key=access.key, overlap=timedelta(0))
    with pytest.raises(InvalidMove, match="has ended"):
        keys.rotate_key(actor=manager, key=access.key, overlap=A_DAY)
    with pytest.raises(InvalidInput, match="0 to 30 days"):
        keys.rotate_key(actor=manager, key=successor, overlap=timedelta(days=31))
    with pytest.raises(NotPermitted):
        keys.rotate_key(actor=builders.cast().engineer, key=successor, overlap=A_DAY)


def test_rotation_over_the_api_and_by_command() -> None:
    access = alpha_builders.access()
    path = f"/api/keys/{access.key.pk}/rotate/"
    assert post(signed_in("eve", Role.ENGINEER), path).status_code == 403
    client = signed_in("pat", Role.PARTNER_MANAGER)
    made = post(client, path, overlap_hours=2)
    assert made.status_code == 201 and made.json()["key"].startswith("slw_")
    assert made.json()["replaces"] == str(access.key.pk)
    assert post(client, path).status_code == 409
    told = command("key", "rotate", made.json()["public"], "--overlap-hours", "1")
    assert Key.objects.get(public=told["public"]).replaces.public == made.json()["public"]
