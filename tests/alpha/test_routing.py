"""Who answers a call: the pure decision over a table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import pytest

from alpha.placing import choose_deployment, choose_fallback
from alpha.routing import (
    CheckpointEntry,
    CodenameEntry,
    Denial,
    DeploymentEntry,
    GrantEntry,
    KeyEntry,
    PriceEntry,
    Refused,
    ReleaseEntry,
    Route,
    Table,
    codenames_of,
    is_usable,
    may_come_from,
    resolve,
    unit_of,
)
from releases.states import Arm, ReleaseState

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
PARTNER, OTHER, STAGE = UUID(int=1), UUID(int=2), UUID(int=3)
KEY = KeyEntry(id=UUID(int=10), public="p" * 12, digest="d" * 64, partner_id=PARTNER)
OTHERS_KEY = replace(KEY, id=UUID(int=11), partner_id=OTHER)
GRANT = GrantEntry(id=UUID(int=20), partner_id=PARTNER, stage_id=STAGE, opens_at=NOW - HOUR)
CODENAME = CodenameEntry(
    name="quasar-alpha",
    stage_id=STAGE,
    size="nano",
    opens_at=NOW - HOUR,
    reveal_text="It was chat-nano.",
)


def checkpoint(number: int, **fields: Any) -> CheckpointEntry:
    deployment = DeploymentEntry(
        id=UUID(int=number + 500), base_url="http://upstream/v1", upstream_model="m"
    )
    values = {"context_window": 2048, "deployments": (deployment,)}
    return CheckpointEntry(id=UUID(int=number), **{**values, **fields})


def release(arm: Arm = Arm.INCUMBENT, share: int = 100, **fields: Any) -> ReleaseEntry:
    number = 31 if arm is Arm.INCUMBENT else 32
    values = {"state": ReleaseState.LIVE, "checkpoint": checkpoint(number + 10)}
    return ReleaseEntry(
        id=UUID(int=number),
        stage_id=STAGE,
        size="nano",
        arm=arm,
        share=share,
        **{**values, **fields},
    )


def table(*releases: ReleaseEntry, **fields: Any) -> Table:
    values = {
        "keys": {KEY.public: KEY},
        "grants": {(PARTNER, STAGE): (GRANT,)},
        "codenames": {CODENAME.name: CODENAME},
        "releases": {(STAGE, "nano"): releases},
    }
    return Table(loaded_at=NOW, **{**values, **fields})


def granted(*grants: GrantEntry) -> dict[str, Any]:
    return {"grants": {(PARTNER, STAGE): grants}}


def named(**fields: Any) -> dict[str, Any]:
    return {"codenames": {CODENAME.name: replace(CODENAME, **fields)}}


LIVE = release()
HALTED = release(state=ReleaseState.HALTED)
DENIALS = [
    ("an unknown codename", table(LIVE, codenames={}), Refused.NO_SUCH_CODENAME),
    ("not open yet", table(LIVE, **named(opens_at=NOW + HOUR)), Refused.NO_SUCH_CODENAME),
    ("no grant", table(LIVE, grants={}), Refused.NO_SUCH_CODENAME),
    (
        "a grant that opens later",
        table(LIVE, **granted(replace(GRANT, opens_at=NOW + HOUR))),
        Refused.NO_SUCH_CODENAME,
    ),
    (
        "a grant that ends now",
        table(LIVE, **granted(replace(GRANT, ends_at=NOW))),
        Refused.NO_SUCH_CODENAME,
    ),
    (
        "terms not accepted",
        table(LIVE, **granted(replace(GRANT, terms_accepted=False))),
        Refused.TERMS_NOT_ACCEPTED,
    ),
    ("an ended codename", table(LIVE, **named(ends_at=NOW)), Refused.CODENAME_ENDED),
    (
        "an ended codename without a text",
        table(LIVE, **named(ends_at=NOW, reveal_text="")),
        Refused.NO_SUCH_CODENAME,
    ),
    (
        "an ended codename, to one granted afterwards",
        table(
            LIVE, **named(ends_at=NOW - HOUR), **granted(replace(GRANT, opens_at=NOW - HOUR / 2))
        ),
        Refused.NO_SUCH_CODENAME,
    ),
    ("nothing live any more", table(), Refused.CODENAME_ENDED),
    ("halted without another arm", table(HALTED), Refused.RELEASE_HALTED),
    (
        "no deployment",
        table(release(checkpoint=checkpoint(41, deployments=()))),
        Refused.NO_DEPLOYMENT,
    ),
    (
        "a codename of another checkpoint",
        table(LIVE, **named(checkpoint_id=UUID(int=99), reveal_text="")),
        Refused.NO_SUCH_CODENAME,
    ),
    (
        "a halted incumbent is not replaced by what is being tried",
        table(HALTED, release(Arm.CANDIDATE, 0)),
        Refused.RELEASE_HALTED,
    ),
]


@pytest.mark.parametrize(("name", "facts", "expected"), DENIALS, ids=[d[0] for d in DENIALS])
def test_a_call_is_denied_for(name: str, facts: Table, expected: Refused) -> None:
    answer = resolve(facts, KEY, "quasar-alpha", "u", NOW)
    assert isinstance(answer, Denial), name
    assert answer.reason is expected


def test_a_granted_call_meets_the_live_release() -> None:
    answer = resolve(table(LIVE), KEY, "quasar-alpha", "u", NOW)
    assert answer == Route(key=KEY, grant=GRANT, codename=CODENAME, release=LIVE, unit="u")


def test_another_partner_meets_the_same_denial_as_for_an_unknown_name() -> None:
    answer = resolve(table(LIVE), OTHERS_KEY, "quasar-alpha", "u", NOW)
    assert answer == resolve(table(LIVE), OTHERS_KEY, "no-such-name", "u", NOW)


def test_a_former_grant_holder_reads_the_reveal_text() -> None:
    held = replace(GRANT, ends_at=NOW - HOUR / 2)
    answer = resolve(
        table(LIVE, **named(ends_at=NOW), **granted(held)), KEY, "quasar-alpha", "", NOW
    )
    assert answer == Denial(reason=Refused.CODENAME_ENDED, text="It was chat-nano.")


def test_a_cohort_grant_stands_in_for_an_ended_one() -> None:
    by_cohort = replace(GRANT, id=UUID(int=21))
    facts = table(LIVE, **granted(replace(GRANT, ends_at=NOW), by_cohort))
    answer = resolve(facts, KEY, "quasar-alpha", "u", NOW)
    assert isinstance(answer, Route) and answer.grant == by_cohort


def test_a_codename_of_one_checkpoint_meets_that_one_whatever_the_share() -> None:
    candidate = release(Arm.CANDIDATE, 10)
    facts = table(LIVE, candidate, **named(checkpoint_id=candidate.checkpoint.id))
    answers = [resolve(facts, KEY, "quasar-alpha", f"u{n}", NOW) for n in range(50)]
    assert {a.release.id for a in answers if isinstance(a, Route)} == {candidate.id}
    halted = table(
        LIVE,
        replace(candidate, state=ReleaseState.HALTED),
        **named(checkpoint_id=candidate.checkpoint.id),
    )
    answer = resolve(halted, KEY, "quasar-alpha", "u", NOW)
    assert isinstance(answer, Denial) and answer.reason is Refused.RELEASE_HALTED


def arms(percent: int, n_units: int = 10_000) -> list[Arm]:
    facts = table(release(share=100 - percent), release(Arm.CANDIDATE, percent))
    found = [resolve(facts, KEY, "quasar-alpha", f"unit-{n}", NOW) for n in range(n_units)]
    return [answer.release.arm for answer in found if isinstance(answer, Route)]


def test_ten_percent_of_the_units_meet_the_candidate() -> None:
    assert 0.09 <= arms(10).count(Arm.CANDIDATE) / 10_000 <= 0.11


def test_raising_the_share_moves_only_those_newly_inside() -> None:
    before, after = arms(10), arms(20)
    moved = [pair for pair in zip(before, after, strict=True) if pair[0] is not pair[1]]
    assert moved and set(moved) == {(Arm.INCUMBENT, Arm.CANDIDATE)}


def test_all_or_none_meet_the_candidate_at_the_ends_of_a_ramp() -> None:
    assert set(arms(0, 500)) == {Arm.INCUMBENT} and set(arms(100, 500)) == {Arm.CANDIDATE}


def test_a_halted_candidate_gives_its_share_to_the_incumbent() -> None:
    facts = table(release(share=10), release(Arm.CANDIDATE, 90, state=ReleaseState.HALTED))
    for number in range(200):
        answer = resolve(facts, KEY, "quasar-alpha", f"unit-{number}", NOW)
        assert isinstance(answer, Route) and answer.release.arm is Arm.INCUMBENT


def test_listed_are_granted_codenames_halted_ones_too() -> None:
    assert codenames_of(table(HALTED), KEY, NOW) == [CODENAME]
    assert codenames_of(table(LIVE), OTHERS_KEY, NOW) == []
    assert codenames_of(table(), KEY, NOW) == []


def test_units_differ_by_partner_and_kind_and_not_by_more() -> None:
    first = unit_of(b"s", PARTNER, ("ann", None, None), KEY.id)
    assert len(first) == 32
    assert first == unit_of(b"s", PARTNER, ("ann", "bob", "x"), UUID(int=99))
    others = {
        unit_of(b"t", PARTNER, ("ann", None, None), KEY.id),
        unit_of(b"s", OTHER, ("ann", None, None), KEY.id),
        unit_of(b"s", PARTNER, (None, "ann", None), KEY.id),
        unit_of(b"s", PARTNER, (None, "", "ann"), KEY.id),
        unit_of(b"s", PARTNER, (None, None, ""), KEY.id),
    }
    assert len(others) == 5 and first not in others


def test_deployments_are_drawn_by_weight() -> None:
    one, two = (
        DeploymentEntry(id=UUID(int=n), base_url="u", upstream_model="m", weight=w)
        for n, w in ((1, 1), (2, 3))
    )
    served = checkpoint(41, deployments=(one, two))
    drawn = [choose_deployment(served, draw).id.int for draw in range(8)]
    assert drawn == [1, 2, 2, 2, 1, 2, 2, 2]


def test_the_price_in_force_is_the_newest_that_has_begun() -> None:
    prices = tuple(
        PriceEntry(currency="USD", input=n, cached_input=n, output=n, effective_at=NOW + n * HOUR)
        for n in (1, 0, -1)
    )
    served = checkpoint(41, prices=prices)
    found = served.price_at(NOW)
    assert found is not None and found.input == 0
    assert served.price_at(NOW - 2 * HOUR) is None


@pytest.mark.parametrize(
    ("address", "expected"),
    [("203.0.113.9", True), ("203.0.114.9", False), ("", False), ("not an address", False)],
)
def test_a_key_bound_to_networks_comes_from_there_only(address: str, expected: bool) -> None:
    bound = replace(KEY, networks=(ip_network("203.0.113.0/24"),))
    assert may_come_from(bound, address) is expected
    assert may_come_from(KEY, address)


def test_an_expired_key_is_not_usable() -> None:
    assert is_usable(KEY, NOW)
    assert not is_usable(replace(KEY, expires_at=NOW), NOW)


def test_a_fallback_is_another_deployment_and_weightless_ones_are_for_that_alone() -> None:
    first, second, spare = [
        DeploymentEntry(id=UUID(int=n), base_url="http://u/v1", upstream_model="m", weight=weight)
        for n, weight in ((1, 100), (2, 50), (3, 0))
    ]
    whole = checkpoint(9, deployments=(first, second, spare))
    assert {choose_deployment(whole, draw).id for draw in range(150)} == {first.id, second.id}
    assert {choose_fallback(whole, first, draw) for draw in range(50)} == {second}
    pair = checkpoint(9, deployments=(first, spare))
    assert choose_fallback(pair, first, 7) == spare
    assert choose_fallback(checkpoint(9, deployments=(first,)), first, 7) is None
