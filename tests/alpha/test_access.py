"""Partners, cohorts, grants and keys through their services."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import ProgrammingError, connection, transaction

from alpha import selectors
from alpha.keys import SECRET_LENGTH
from alpha.models import Grant, Key
from alpha.services import grants, keys, partners
from infra import clock
from infra.errors import DomainError, InvalidInput, InvalidMove, NotPermitted
from infra.models import AuditEntry
from tests import builders
from tests.alpha import builders as alpha_builders

pytestmark = pytest.mark.django_db


def test_a_key_is_shown_once_and_only_its_digest_is_kept() -> None:
    access = alpha_builders.access()
    secret = access.key_text.split("_", 2)[2]
    assert secret not in str(Key.objects.values().get()) and len(secret) == SECRET_LENGTH


def test_engineers_may_not_issue_keys() -> None:
    access = alpha_builders.access()
    with pytest.raises(NotPermitted, match="may not issue keys"):
        keys.issue_key(actor=builders.cast().engineer, partner=access.partner)


def test_a_second_grant_to_the_same_stage_is_refused() -> None:
    access = alpha_builders.access()
    with pytest.raises(InvalidMove, match="revoke that first"):
        grants.make_grant(actor=alpha_builders.ACTOR, stage=access.stage, partner=access.partner)


def test_a_grant_is_for_exactly_one_of_partner_and_cohort() -> None:
    with pytest.raises(InvalidInput, match="one partner or for one cohort"):
        grants.make_grant(actor=alpha_builders.ACTOR, stage=builders.stage())


def test_a_grant_that_ends_before_it_opens_is_refused() -> None:
    access = alpha_builders.access()
    with pytest.raises(InvalidInput, match="before it opens"):
        grants.make_grant(
            actor=alpha_builders.ACTOR,
            stage=builders.stage("beta"),
            partner=access.partner,
            ends_at=clock.now() - timedelta(days=1),
        )


def test_revoking_twice_is_refused_and_audited_once() -> None:
    access = alpha_builders.access()
    manager = builders.cast().partner_manager
    keys.revoke_key(actor=manager, key=access.key, reason="leaked")
    with pytest.raises(InvalidMove, match="revoked already"):
        keys.revoke_key(actor=manager, key=access.key, reason="leaked")
    assert AuditEntry.objects.filter(action="key.revoked").count() == 1


def test_ending_a_partner_ends_its_keys_and_grants() -> None:
    access = alpha_builders.access()
    manager = builders.cast().partner_manager
    partners.end_partner(actor=manager, partner=access.partner, reason="contract over")
    assert not Key.objects.filter(revoked_at=None).exists()
    assert not Grant.objects.filter(revoked_at=None).exists()


def test_a_cohorts_grant_serves_its_members_until_they_leave() -> None:
    access = alpha_builders.access()
    manager, beta = builders.cast().partner_manager, builders.stage("beta")
    cohort = partners.make_cohort(actor=manager, name="design-partners")
    partners.join_cohort(actor=manager, cohort=cohort, partner=access.partner)
    grants.make_grant(actor=manager, stage=beta, cohort=cohort)
    assert len(selectors.grants_in_force(access.partner, clock.now())) == 2
    partners.leave_cohort(actor=manager, cohort=cohort, partner=access.partner, reason="left")
    assert len(selectors.grants_in_force(access.partner, clock.now())) == 1


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "a" * 81, "ä-b", "a\x00b"])
def test_a_partners_name_is_a_slug(name: str) -> None:
    with pytest.raises(DomainError, match="can't name a partner"):
        partners.make_partner(actor=alpha_builders.ACTOR, name=name, contact_email="a@b.example")


def test_the_database_forbids_deleting_a_key() -> None:
    access = alpha_builders.access()
    with pytest.raises(ProgrammingError, match="Cannot delete"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM partner_key WHERE id = %s", [access.key.pk])
