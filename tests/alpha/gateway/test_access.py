"""A change of access or release meets the next call within a second; no statement per call."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import httpx2 as httpx
import psycopg
import pytest
from django.db import connection, transaction

from alpha.gateway.config import GatewayConfig
from alpha.models import Cohort, CohortMember, Grant, Key
from alpha.services import grants, keys, terms
from infra import clock
from releases.models import Codename, Release, Stage
from tests import builders
from tests.alpha.builders import ACTOR, Access, release_of
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.server import Running, running, usage_of
from tests.alpha.gateway.upstream import Upstream
from tests.alpha.test_partner_logins import person
from tests.conftest import database_url
from tests.patience import on_a_busy_machine

Ask = Callable[[], httpx.Response]


@pytest.fixture
def ask(http: httpx.Client) -> Ask:
    assert http.post("/chat/completions", json=chat()).status_code == 200
    return lambda: http.post("/chat/completions", json=chat())


def turns(ask: Ask, status: int, code: str = "") -> httpx.Response:
    """The first answer of that status, which comes within a second of an idle machine."""
    since = time.monotonic()
    while True:
        reply = ask()
        if reply.status_code == status:
            if code:
                assert reply.json()["error"]["code"] == code
            return reply
        assert time.monotonic() - since < on_a_busy_machine(1.0), reply.text
        time.sleep(0.01)


def test_a_revoked_key_is_refused(ask: Ask, granted: Access) -> None:
    keys.revoke_key(actor=ACTOR, key=granted.key, reason="it was published")
    turns(ask, 401, "invalid_api_key")


def test_a_revoked_grant_is_refused_and_a_new_one_serves(ask: Ask, granted: Access) -> None:
    grants.revoke_grant(actor=ACTOR, grant=granted.grant, reason="the alpha is over")
    turns(ask, 404, "model_not_found")
    consent = grants.Consent(terms_version="1", accepted_by="Ada")
    grants.make_grant(actor=ACTOR, stage=granted.stage, partner=granted.partner, consent=consent)
    turns(ask, 200)


def test_a_cohorts_grant_serves_its_members(ask: Ask, granted: Access) -> None:
    grants.revoke_grant(actor=ACTOR, grant=granted.grant, reason="now by cohort")
    turns(ask, 404)
    cohort = Cohort.objects.create(name="friends")
    consent = grants.Consent(terms_version="1", accepted_by="Ada")
    grants.make_grant(actor=ACTOR, stage=granted.stage, cohort=cohort, consent=consent)
    CohortMember.objects.create(cohort=cohort, partner=granted.partner)
    turns(ask, 200)


def test_calls_are_refused_until_the_terms_are_accepted(ask: Ask, granted: Access) -> None:
    Grant.objects.update(terms_accepted_at=None)
    turns(ask, 403, "terms_not_accepted")


def test_what_a_partners_person_accepts_opens_a_cohorts_grant_to_that_partner(
    ask: Ask, granted: Access
) -> None:
    grants.revoke_grant(actor=ACTOR, grant=granted.grant, reason="now by cohort")
    cohort = Cohort.objects.create(name="friends")
    shared = grants.make_grant(actor=ACTOR, stage=granted.stage, cohort=cohort)
    CohortMember.objects.create(cohort=cohort, partner=granted.partner)
    turns(ask, 403, "terms_not_accepted")
    terms.publish_terms(actor=ACTOR, version="2026-1", text="Be kind.")
    login = person(granted.partner)
    terms.accept_own_terms(login=login, grant=shared, version="2026-1")
    turns(ask, 200)
    # Other terms are asked: the word for the old ones opens nothing.
    Grant.objects.filter(pk=shared.pk).update(terms_version="2026-2")
    turns(ask, 403, "terms_not_accepted")


def test_halt_resume_and_end_of_a_release(ask: Ask, granted: Access) -> None:
    Release.objects.update(state="halted")
    reply = turns(ask, 503, "release_halted")
    assert "retry-after" in reply.headers
    Release.objects.update(state="live")
    turns(ask, 200)
    Codename.objects.update(reveal_text="It was an early chat-nano.")
    Release.objects.update(state="ended", ended_at=clock.now())
    reply = turns(ask, 404, "model_not_found")
    assert reply.json()["error"]["message"] == "It was an early chat-nano."


def test_a_promotion_changes_the_checkpoint_behind_the_codename_and_rollback_back(
    ask: Ask, granted: Access, upstream: Upstream
) -> None:
    better = builders.checkpoint(
        "chat-nano-2", serving={"system_prompt": "Be exact.", "sampling": {}}
    )
    builders.deployment(better, upstream.url)
    Release.objects.filter(pk=granted.release.pk).update(state="ended", ended_at=clock.now())
    new = Release.objects.create(
        stage=granted.stage, family=better.family, size="nano", arm="incumbent", share=100,
        checkpoint=better, started_at=clock.now(),
    )  # fmt: skip
    since = time.monotonic()
    while ask().status_code != 200 or upstream.seen[-1]["messages"][0]["content"] != "Be exact.":
        assert time.monotonic() - since < on_a_busy_machine(1.0)
    event = usage_of(ask().headers["x-request-id"])
    assert event.checkpoint_id == better.pk and event.release_id == new.pk
    with transaction.atomic():
        Release.objects.filter(pk=new.pk).update(state="ended", ended_at=clock.now())
        release_of(granted.checkpoint, granted.stage)
    since, statuses = time.monotonic(), set()
    while upstream.seen[-1]["messages"][0]["content"] != "You are brief.":
        statuses.add(ask().status_code)
        assert time.monotonic() - since < on_a_busy_machine(1.0)
    # No call ever met a stage without a release: the change is one transaction.
    assert statuses == {200}


def test_a_checkpoint_moved_to_another_upstream_is_asked_there(ask: Ask, granted: Access) -> None:
    granted.deployment.base_url = "http://127.0.0.1:9/v1"
    granted.deployment.save(update_fields=["base_url"])
    turns(ask, 503, "model_unavailable")


def test_a_key_that_expires_or_is_bound_to_other_addresses_is_refused(
    gateway: Running, granted: Access
) -> None:
    key, short = keys.issue_key(actor=ACTOR, partner=granted.partner)
    _, bound = keys.issue_key(
        actor=ACTOR, partner=granted.partner, allowed_addresses=["203.0.113.0/24"]
    )

    def listing(text: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {text}"}
        return httpx.get(f"{gateway.url}/models", headers=headers)

    turns(lambda: listing(short), 200)
    soon = clock.now() + timedelta(seconds=0.5)
    Key.objects.filter(pk=key.pk).update(expires_at=soon)
    turns(lambda: listing(short), 401)
    assert clock.now() >= soon
    reply = listing(bound)
    assert reply.status_code == 401 and reply.json()["error"]["code"] == "ip_not_authorized"


def test_a_burst_of_changes_is_read_at_once_and_all_of_them(
    ask: Ask, granted: Access, gateway: Running
) -> None:
    before = Codename.objects.count()
    for number in range(40):
        Codename.objects.create(
            stage=granted.stage, size="nano", name=f"burst-{number}", opens_at=clock.now()
        )
    since = time.monotonic()
    while len(gateway.parts.tables.table.codenames) < before + 40:
        assert time.monotonic() - since < on_a_busy_machine(1.0)
        time.sleep(0.01)


def test_without_postgresql_the_last_table_serves_and_no_call_asks_it(
    ask: Ask, committed_db: str, granted: Access
) -> None:
    with psycopg.connect(database_url("superuser", "postgres"), autocommit=True) as admin:
        _cut_off(admin, committed_db, connections=0)
        assert [ask().status_code for _ in range(30)] == [200] * 30
        _cut_off(admin, committed_db, connections=-1)
    last = ask().headers["x-request-id"]
    assert usage_of(last).state == "succeeded"
    keys.revoke_key(actor=ACTOR, key=granted.key, reason="heard again after the outage")
    since = time.monotonic()
    while ask().status_code != 401:
        assert time.monotonic() - since < on_a_busy_machine(5.0)
        time.sleep(0.05)


def _cut_off(admin: psycopg.Connection[object], name: str, *, connections: int) -> None:
    admin.execute(f"ALTER DATABASE {name} CONNECTION LIMIT {connections}")
    if connections == 0:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            own = cursor.fetchone()[0]
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND pid <> %s",
            [name, own],
        )


def test_an_outdated_table_is_not_trusted(config: GatewayConfig, granted: Access) -> None:
    with running(config, table_max_age_s=-1) as worker:
        headers = {"authorization": f"Bearer {granted.key_text}"}
        reply = httpx.get(f"{worker.url}/models", headers=headers)
    assert reply.status_code == 503 and reply.json()["error"]["code"] == "not_ready"


def test_fifty_calls_cost_no_statement_of_their_own(
    ask: Ask, committed_db: str, gateway: Running
) -> None:
    # Only the shipper's batches and the table's polls may show.
    before = _calls(committed_db)
    for _ in range(50):
        assert ask().status_code == 200
    assert _calls(committed_db) - before < 30


def _calls(name: str) -> int:
    with psycopg.connect(database_url("superuser", "postgres"), autocommit=True) as admin:
        admin.execute("SELECT pg_stat_force_next_flush()")
        row = admin.execute(
            "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = %s", [name]
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_retired_stage_is_not_served(ask: Ask, granted: Access) -> None:
    Stage.objects.update(retired_at=clock.now())
    turns(ask, 404, "model_not_found")
