"""When access ends: moved ahead, opened again, and what a revocation takes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alpha.access_matrix import cell_of, cohort_losses, loss_of, matrix
from alpha.models import Cohort, Grant, Partner
from alpha.services import grants, partners
from infra import clock
from infra.errors import InvalidInput, InvalidMove
from infra.models import AuditEntry
from infra.roles import Role
from tests import builders
from tests.alpha import builders as alpha_builders
from tests.alpha.test_api import post, signed_in
from tests.alpha.test_limits import command

pytestmark = pytest.mark.django_db
A_MONTH = timedelta(days=30)


def test_an_end_is_moved_and_taken_away_and_audited() -> None:
    access, manager = alpha_builders.access(), builders.cast().partner_manager
    ahead = clock.now() + A_MONTH
    moved = grants.move_end(actor=manager, grant=access.grant, ends_at=ahead, reason="a pilot")
    assert moved.ends_at == ahead
    grants.move_end(actor=manager, grant=access.grant, ends_at=None, reason="it goes on")
    assert Grant.objects.get().ends_at is None
    assert AuditEntry.objects.filter(action="grant.end_moved").count() == 2


def test_an_end_lies_ahead_and_a_revoked_grant_stays_revoked() -> None:
    access, manager = alpha_builders.access(), builders.cast().partner_manager
    with pytest.raises(InvalidInput, match="revoke it to end it now"):
        grants.move_end(actor=manager, grant=access.grant, ends_at=clock.now(), reason="now")
    grants.revoke_grant(actor=manager, grant=access.grant, reason="over")
    with pytest.raises(InvalidMove, match="make a new one"):
        grants.move_end(
            actor=manager, grant=access.grant, ends_at=clock.now() + A_MONTH, reason="again"
        )


def test_an_end_over_the_api_and_by_command() -> None:
    access = alpha_builders.access()
    path = f"/api/grants/{access.grant.pk}/end/"
    client = signed_in("pat", Role.PARTNER_MANAGER)
    ahead = (clock.now() + A_MONTH).isoformat()
    assert post(client, path, ends_at=ahead, reason="a pilot").status_code == 200
    assert post(client, path, ends_at="2001-01-01T00:00Z", reason="early").status_code == 400
    assert post(client, path, reason="nothing said").status_code == 400
    assert post(signed_in("eve", Role.ENGINEER), path, ends_at=None, reason="x").status_code == 403
    told = command("grant", "extend", "chat/closed-alpha", "acme", "--no-end", "--reason", "on")
    assert told["ends_at"] is None


def test_the_matrix_says_what_the_gateway_would() -> None:
    access, manager = alpha_builders.access(), builders.cast().partner_manager
    beta = builders.stage("beta")
    other = partners.make_partner(actor=manager, name="beta-labs", contact_email="a@b.example")
    now = clock.now()
    assert cell_of(access.partner, access.stage).state == "open"
    assert cell_of(other, access.stage).state == "none"
    waiting = grants.make_grant(actor=manager, stage=beta, partner=other)
    assert cell_of(other, beta).state == "terms"
    grants.accept_terms(actor=manager, grant=waiting, version="1", accepted_by="Bo")
    grants.move_end(actor=manager, grant=waiting, ends_at=now + timedelta(days=3), reason="short")
    assert cell_of(other, beta).is_soon
    with clock.moved_by(timedelta(days=4)):
        assert cell_of(other, beta).state == "ended"
    found = matrix(Partner.objects.order_by("name"))
    assert [stage.name for stage, _ in found.stages] == ["closed-alpha", "beta"]
    assert found.stages[0][1] == ("quasar-alpha",)
    states = {partner.name: [cell.state for cell in cells] for partner, cells in found.rows}
    assert states == {"acme": ["open", "none"], "beta-labs": ["none", "open"]}


def test_a_loss_is_told_with_its_numbers_and_with_what_stays() -> None:
    access, manager = alpha_builders.access(), builders.cast().partner_manager
    alpha_builders.usage_event(access)
    alpha_builders.usage_event(access, unit="v" * 32)
    told = loss_of(access.grant, access.partner).sentence(access.partner)
    assert told.startswith("0 people and 1 key of acme lose quasar-alpha now. 2 calls by 2 users")
    cohort = partners.make_cohort(actor=manager, name="design-partners")
    partners.join_cohort(actor=manager, cohort=cohort, partner=access.partner)
    shared = grants.make_grant(actor=manager, stage=access.stage, cohort=cohort)
    kept = loss_of(access.grant, access.partner).sentence(access.partner)
    assert "keeps quasar-alpha through cohort design-partners" in kept
    losses = cohort_losses(Cohort.objects.prefetch_related("partners", "grants"))
    assert losses[shared.pk].startswith("Nobody loses anything now")
    other = partners.make_partner(actor=manager, name="beta-labs", contact_email="a@b.example")
    partners.join_cohort(actor=manager, cohort=cohort, partner=other)
    losses = cohort_losses(Cohort.objects.prefetch_related("partners", "grants"))
    assert losses[shared.pk] == "1 partner loses quasar-alpha now: beta-labs."
