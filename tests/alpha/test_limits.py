"""Limits of keys, partners and grants: set and replaced through services, API and commands."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction

from alpha.models import Grant, Key, Partner
from alpha.quotas import MOST, NAMES, Quotas
from alpha.services import grants, keys, limits, partners
from infra.errors import InvalidInput, InvalidMove, NotPermitted
from infra.models import AuditEntry
from infra.roles import Role, Scope
from tests import builders
from tests.alpha import builders as alpha_builders
from tests.alpha.test_api import post, signed_in, with_key

pytestmark = pytest.mark.django_db
SOME = Quotas(requests_per_minute=60, budget_micros_per_day=5_000_000, tokens_total=10**12)


def command(*words: str) -> Any:
    out = io.StringIO()
    call_command(*words, "--json", "--by", "pat", stdout=out)
    return json.loads(out.getvalue())


def test_limits_are_replaced_as_a_whole_and_audited() -> None:
    access, manager = alpha_builders.access(), builders.cast().partner_manager
    first = limits.set_key_limits(actor=manager, key=access.key, quotas=SOME, reason="a pilot")
    assert first.quotas == SOME and first.limited_since is not None
    fewer = Quotas(concurrent_requests=2)
    again = limits.set_key_limits(actor=manager, key=access.key, quotas=fewer, reason="too much")
    # The gateway has counted all along.
    assert (again.quotas, again.limited_since) == (fewer, first.limited_since)
    entry = AuditEntry.objects.filter(action="key.limited").latest("pk")
    assert entry.before["requests_per_minute"] == 60 and entry.after["concurrent_requests"] == 2
    lifted = limits.set_key_limits(actor=manager, key=access.key, quotas=Quotas(), reason="grown")
    assert (lifted.quotas, lifted.limited_since) == (Quotas(), None)
    anew = limits.set_key_limits(actor=manager, key=access.key, quotas=SOME, reason="again")
    assert anew.limited_since > first.limited_since


def test_a_key_and_a_partner_are_made_with_limits() -> None:
    actor = alpha_builders.ACTOR
    partner = partners.make_partner(
        actor=actor, name="acme", contact_email="a@b.example", quotas=SOME
    )
    key, _ = keys.issue_key(actor=actor, partner=partner, quotas=SOME)
    for row in (Partner.objects.get(pk=partner.pk), Key.objects.get(pk=key.pk)):
        assert row.quotas == SOME and row.limited_since is not None


@pytest.mark.parametrize("name", NAMES)
def test_no_limit_is_zero_or_larger_than_its_column(name: str) -> None:
    access, beta = alpha_builders.access(), builders.stage("beta")
    for value in (0, -5, MOST[name] + 1):
        quotas = Quotas(**{name: value})
        with pytest.raises(InvalidInput, match=f"{name} must be a whole number from 1"):
            limits.set_key_limits(
                actor=alpha_builders.ACTOR, key=access.key, quotas=quotas, reason="a slip"
            )
        with pytest.raises(InvalidInput, match=name):
            grants.make_grant(
                actor=alpha_builders.ACTOR,
                stage=beta,
                partner=access.partner,
                quotas=quotas,
            )
    largest = Quotas(**{name: MOST[name]})
    limits.set_partner_limits(
        actor=alpha_builders.ACTOR, partner=access.partner, quotas=largest, reason="the most"
    )
    assert Partner.objects.get(pk=access.partner.pk).quotas == largest


def test_who_may_not_and_what_has_ended_is_refused() -> None:
    access, cast = alpha_builders.access(), builders.cast()
    with pytest.raises(NotPermitted, match="may not set limits"):
        limits.set_key_limits(actor=cast.engineer, key=access.key, quotas=SOME, reason="mine")
    with pytest.raises(InvalidInput, match="Say why"):
        limits.set_partner_limits(
            actor=cast.partner_manager, partner=access.partner, quotas=SOME, reason=" "
        )
    partners.end_partner(actor=cast.partner_manager, partner=access.partner, reason="over")
    for refused in (
        lambda: limits.set_key_limits(
            actor=cast.partner_manager, key=access.key, quotas=SOME, reason="late"
        ),
        lambda: limits.set_partner_limits(
            actor=cast.partner_manager, partner=access.partner, quotas=SOME, reason="late"
        ),
    ):
        with pytest.raises(InvalidMove, match="needs no limits"):
            refused()
    assert not AuditEntry.objects.filter(action__endswith=".limited").exists()


@pytest.mark.parametrize("holder", [Key, Partner])
def test_the_database_keeps_no_limits_without_their_beginning(
    holder: type[Key] | type[Partner],
) -> None:
    alpha_builders.access()
    with pytest.raises(IntegrityError, match="limited_since"), transaction.atomic():
        holder.objects.update(tokens_total=5)


def test_limits_over_the_api() -> None:
    client = signed_in("pat", Role.PARTNER_MANAGER)
    made = post(
        client, "/api/partners/", name="acme", contact_email="a@b.example", tokens_per_day=900
    )
    assert made.status_code == 201 and made.json()["tokens_per_day"] == 900
    issued = post(client, "/api/partners/acme/keys/", requests_per_minute=7).json()
    assert issued["requests_per_minute"] == 7 and issued["tokens_per_day"] is None
    path = f"/api/keys/{issued['id']}/limits/"
    answer = post(client, path, budget_micros=5, reason="a smaller pilot")
    assert answer.status_code == 200
    assert (answer.json()["requests_per_minute"], answer.json()["budget_micros"]) == (None, 5)
    answer = post(client, "/api/partners/acme/limits/", concurrent_requests=3, reason="shared")
    assert (answer.json()["concurrent_requests"], answer.json()["tokens_per_day"]) == (3, None)
    assert post(client, path, budget_micros=5).json()["reasons"][0]["required"] == "reason"
    assert post(client, path, budget_micros=0, reason="none").status_code == 400
    assert post(signed_in("eve", Role.ENGINEER), path, reason="mine").status_code == 403
    assert post(with_key(Scope.PARTNERS), path, reason="by machine").status_code == 200


def test_limits_by_command() -> None:
    builders.login("pat", Role.PARTNER_MANAGER)
    email = ("--email", "a@b.example")
    command("partner", "create", "acme", *email, "--requests-per-minute", "90")
    assert Partner.objects.get().quotas == Quotas(requests_per_minute=90)
    made = command("key", "create", "acme", "--tokens-total", "500", "--concurrent", "4")
    assert Key.objects.get().quotas == Quotas(tokens_total=500, concurrent_requests=4)
    why = ("--reason", "a smaller pilot")
    told = command("key", "limit", made["public"], *why, "--budget-micros-per-day", "8")
    assert told["limits"]["budget_micros_per_day"] == 8 and told["limits"]["tokens_total"] is None
    told = command("partner", "limit", "acme", *why, "--tokens-per-day", "1000")
    assert Partner.objects.get().quotas == Quotas(tokens_per_day=1000)
    command("partner", "limit", "acme", *why)
    assert Partner.objects.get().quotas == Quotas()


def test_limits_of_a_grant_are_replaced_and_count_anew_after_none() -> None:
    access, manager = alpha_builders.access(quotas=SOME), builders.cast().partner_manager
    assert access.grant.limited_since is None
    fewer = Quotas(concurrent_requests=2)
    kept = limits.set_grant_limits(actor=manager, grant=access.grant, quotas=fewer, reason="less")
    # It was made with limits: the gateway has counted from its beginning on.
    assert (kept.quotas, kept.limited_since) == (fewer, None)
    lifted = limits.set_grant_limits(actor=manager, grant=kept, quotas=Quotas(), reason="grown")
    assert (lifted.quotas, lifted.limited_since) == (Quotas(), None)
    anew = limits.set_grant_limits(actor=manager, grant=kept, quotas=SOME, reason="again")
    assert anew.limited_since is not None
    entry = AuditEntry.objects.filter(action="grant.limited").earliest("pk")
    assert entry.before["requests_per_minute"] == 60 and entry.after["concurrent_requests"] == 2
    grants.revoke_grant(actor=manager, grant=kept, reason="over")
    with pytest.raises(InvalidMove, match="revoked already"):
        limits.set_grant_limits(actor=manager, grant=kept, quotas=SOME, reason="late")


def test_limits_of_a_grant_over_the_api_and_by_command() -> None:
    access = alpha_builders.access()
    path = f"/api/grants/{access.grant.pk}/limits/"
    answer = post(signed_in("pat", Role.PARTNER_MANAGER), path, tokens_per_day=5, reason="small")
    assert answer.status_code == 200 and answer.json()["tokens_per_day"] == 5
    assert post(signed_in("eve", Role.ENGINEER), path, reason="mine").status_code == 403
    told = command(
        "grant", "limit", "chat/closed-alpha", "acme", "--reason", "a pilot", "--concurrent", "3"
    )
    assert told["limits"]["concurrent_requests"] == 3
    assert Grant.objects.get().quotas == Quotas(concurrent_requests=3)
