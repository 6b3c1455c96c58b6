"""Partners' access and service keys, changed on their pages."""

from __future__ import annotations

import re

from django.urls import reverse

from alpha.models import Cohort, Grant
from alpha.quotas import Quotas
from alpha.services import grants
from infra.models import ServiceKey
from tests.console.visits import signed_in
from tests.console.world import World


def test_a_cohort_is_granted_a_stage_and_loses_it(world: World) -> None:
    client, path = signed_in("partner_manager"), reverse("console-partners")
    cohort = Cohort.objects.get(name="design-partners")
    body = {
        "do": "grant",
        "cohort": str(cohort.pk),
        "stage": str(world.internal.pk),
        "transcript_days": "30",
        "tokens_per_day": "1000",
    }
    assert client.post(path, body).status_code == 302
    grant = Grant.objects.get(cohort=cohort)
    assert (grant.stage, grant.tokens_per_day) == (world.internal, 1000)
    ended = {"do": "revoke_grant", "id": str(grant.pk), "reason": "The test is over."}
    assert client.post(path, ended).status_code == 302
    grant.refresh_from_db()
    assert grant.revoke_reason == "The test is over."


def test_a_partners_own_grant_is_not_revoked_from_the_list(world: World) -> None:
    grant = Grant.objects.get(partner=world.partner)
    body = {"do": "revoke_grant", "id": str(grant.pk), "reason": "A guess."}
    answer = signed_in("partner_manager").post(reverse("console-partners"), body)
    assert answer.status_code == 404
    grant.refresh_from_db()
    assert grant.revoked_at is None


def test_acceptance_of_the_terms_is_recorded(world: World) -> None:
    actor = world.cast.partner_manager
    grant = grants.make_grant(actor=actor, stage=world.internal, partner=world.partner)
    client, path = signed_in("partner_manager"), reverse("console-partner", args=[world.partner.pk])
    assert "terms not accepted" in client.get(path).content.decode()
    body = {"do": "accept", "id": str(grant.pk), "version": "2", "accepted_by": "Ada"}
    assert client.post(path, body).status_code == 302
    grant.refresh_from_db()
    assert (grant.terms_version, grant.terms_accepted_by) == ("2", "Ada")
    assert grant.terms_accepted_at is not None


def test_a_partner_leaves_a_cohort(world: World) -> None:
    cohort = Cohort.objects.get(name="design-partners")
    path = reverse("console-partner", args=[world.partner.pk])
    body = {"do": "leave", "id": str(cohort.pk), "reason": "It moved on."}
    assert signed_in("partner_manager").post(path, body).status_code == 302
    assert not world.partner.cohorts.exists()


def test_a_service_key_is_shown_once_then_revoked(world: World) -> None:
    client, path = signed_in("release_manager"), reverse("console-service-keys")
    body = {"do": "make", "name": "training-ci", "scopes": ["checkpoints:write", "runs:write"]}
    answer = client.post(path, body)
    found = re.search(r'id="secret">(slk_\S+)<', answer.content.decode())
    assert found and answer["Cache-Control"] == "no-store"
    assert found[1] not in client.get(path).content.decode()
    key = ServiceKey.objects.get(name="training-ci")
    assert key.scopes == ["checkpoints:write", "runs:write"]
    ended = {"do": "revoke", "id": str(key.pk), "reason": "CI was rebuilt."}
    assert client.post(path, ended).status_code == 302
    key.refresh_from_db()
    assert key.revoked_at is not None


def test_an_engineer_makes_no_service_key(world: World) -> None:
    body = {"do": "make", "name": "mine", "scopes": ["read"]}
    answer = signed_in("engineer").post(reverse("console-service-keys"), body)
    assert answer.status_code == 403
    assert not ServiceKey.objects.exists()


def test_limits_of_a_partner_and_of_a_key_are_set_on_its_page(world: World) -> None:
    client, path = signed_in("partner_manager"), reverse("console-partner", args=[world.partner.pk])
    key = world.partner.keys.first()
    assert key is not None
    shared = {"do": "limit", "reason": "One contract.", "budget_micros": "12.50"}
    assert client.post(path, {**shared, "tokens_per_day": "900"}).status_code == 302
    world.partner.refresh_from_db()
    assert world.partner.quotas == Quotas(tokens_per_day=900, budget_micros=12_500_000)
    own = {"do": "limit_key", "id": str(key.pk), "reason": "A laptop.", "requests_per_minute": "9"}
    assert client.post(path, own).status_code == 302
    key.refresh_from_db()
    assert key.quotas == Quotas(requests_per_minute=9)
    page = client.get(path).content.decode()
    assert "budget 12.5000 in all" in page and "9 requests/min" in page
    # What is in force stands in the form that would replace it.
    assert f'id="limits-{key.pk}-requests_per_minute"' in page and 'value="12.5"' in page


def test_a_refused_limit_is_shown_with_what_was_typed(world: World) -> None:
    client, path = signed_in("partner_manager"), reverse("console-partner", args=[world.partner.pk])
    key = world.partner.keys.first()
    assert key is not None
    body = {"do": "limit_key", "id": str(key.pk), "reason": "x", "tokens_total": "-4"}
    answer = client.post(path, body)
    assert answer.status_code == 400 and 'value="-4"' in answer.content.decode()
    elsewhere = {**body, "id": str(world.internal.pk), "tokens_total": "4"}
    assert client.post(path, elsewhere).status_code == 404
    key.refresh_from_db()
    assert not key.quotas.is_limited
    engineer = signed_in("engineer").post(path, {**body, "tokens_total": "4"})
    assert engineer.status_code == 403


def test_a_grant_takes_every_limit(world: World) -> None:
    body = {"do": "grant", "stage": str(world.internal.pk), "transcript_days": "30"}
    wanted = {"budget_micros_per_day": "0.25", "tokens_total": "5000", "concurrent_requests": "2"}
    path = reverse("console-partner", args=[world.partner.pk])
    assert signed_in("partner_manager").post(path, {**body, **wanted}).status_code == 302
    grant = Grant.objects.get(partner=world.partner, stage=world.internal)
    assert grant.quotas == Quotas(
        budget_micros_per_day=250_000, tokens_total=5000, concurrent_requests=2
    )
