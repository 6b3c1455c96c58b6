"""The rows a gateway worker routes by, read in one snapshot and built into a table."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from ipaddress import ip_network
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from alpha.quotas import NAMES, Quotas
from alpha.routing import (
    CheckpointEntry,
    CodenameEntry,
    DeploymentEntry,
    GrantEntry,
    KeyEntry,
    Network,
    PriceEntry,
    ReleaseEntry,
    Table,
)
from infra.errors import DomainError
from releases.states import Arm, ReleaseState

log = logging.getLogger(__name__)
Row = Mapping[str, Any]
Group = Mapping[Any, list[Row]]

_OF_PARTNER = ", ".join(f"p.{name} AS partner_{name}" for name in (*NAMES, "limited_since"))
KEYS = f"""
SELECT k.*, {_OF_PARTNER} FROM partner_key k JOIN partner p ON p.id = k.partner_id
WHERE k.revoked_at IS NULL AND p.ended_at IS NULL
"""  # noqa: S608
# A partner's own grants come first; a revoked grant is one that ended when it was revoked. What one
# partner's people accepted opens a cohort's grant to that partner alone.
GRANTS = """
SELECT g.*, least(g.ends_at, g.revoked_at) AS closes_at,
    coalesce(g.partner_id, m.partner_id) AS holder_id,
    g.terms_accepted_at IS NOT NULL OR EXISTS (
        SELECT 1 FROM terms_acceptance a JOIN partner_terms t ON t.id = a.terms_id
        WHERE a.grant_id = g.id AND a.partner_id = coalesce(g.partner_id, m.partner_id)
            AND g.terms_version IN ('', t.version)
    ) AS is_accepted
FROM "grant" g LEFT JOIN cohort_member m ON m.cohort_id = g.cohort_id
WHERE coalesce(g.partner_id, m.partner_id) IS NOT NULL
ORDER BY (g.partner_id IS NULL), g.created_at DESC
"""
CODENAMES = """
SELECT c.name, c.stage_id, c.size, c.opens_at, c.ends_at, c.reveal_text, c.checkpoint_id
FROM codename c JOIN stage s ON s.id = c.stage_id WHERE s.retired_at IS NULL
"""
RELEASES = """
SELECT id, stage_id, size, arm, share, state, checkpoint_id FROM release WHERE ended_at IS NULL
"""
# A halt that was followed by the release's end at once must be seen too, while its calls may run.
STOPPED = """
SELECT id, halted_at IS NOT NULL AS is_halted FROM release
WHERE (halted_at IS NOT NULL OR withdrawn_at IS NOT NULL)
    AND (ended_at IS NULL OR ended_at > now() - interval '1 hour')
"""
_SERVED = "IN (SELECT checkpoint_id FROM release WHERE ended_at IS NULL)"
CHECKPOINTS = f"SELECT id, serving, context_window FROM checkpoint WHERE id {_SERVED}"  # noqa: S608
DEPLOYMENTS = f"""
SELECT id, checkpoint_id, base_url, upstream_model, secret_ref, weight
FROM deployment WHERE state = 'active' AND checkpoint_id {_SERVED} ORDER BY created_at, id
"""  # noqa: S608
PRICES = f"""
SELECT checkpoint_id, currency, input_micros_per_million, cached_input_micros_per_million,
    output_micros_per_million, effective_at
FROM price WHERE checkpoint_id {_SERVED} ORDER BY effective_at DESC
"""  # noqa: S608


async def read_table(
    connection: AsyncConnection[Any], secret_of: Callable[[str], str], now: datetime
) -> Table:
    """The table as of one snapshot, so that no arm is ever seen empty or doubled."""
    async with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        read = []
        for statement in (
            KEYS,
            GRANTS,
            CODENAMES,
            RELEASES,
            CHECKPOINTS,
            DEPLOYMENTS,
            PRICES,
            STOPPED,
        ):
            await cursor.execute(statement)
            read.append(await cursor.fetchall())
    keys, grants, codenames, releases, checkpoints, deployments, prices, stopped = read
    served = _checkpoints(
        checkpoints,
        _grouped(deployments, "checkpoint_id"),
        _grouped(prices, "checkpoint_id"),
        secret_of,
    )
    return Table(
        loaded_at=now,
        keys={row["public"]: _key(row) for row in keys},
        grants=_grants(grants),
        codenames={row["name"]: CodenameEntry(**row) for row in codenames},
        releases=_releases(releases, served),
        halted=frozenset(row["id"] for row in stopped if row["is_halted"]),
        withdrawn=frozenset(row["id"] for row in stopped if not row["is_halted"]),
    )


def _grouped(rows: Iterable[Row], *names: str) -> Group:
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        key = tuple(row[name] for name in names)
        groups[key if len(names) > 1 else key[0]].append(row)
    return groups


def _key(row: Row) -> KeyEntry:
    return KeyEntry(
        id=row["id"],
        public=row["public"],
        digest=row["digest"],
        partner_id=row["partner_id"],
        expires_at=row["expires_at"],
        networks=tuple(_network(address) for address in row["allowed_addresses"]),
        quotas=_quotas(row),
        limited_since=_milliseconds(row["limited_since"]),
        partner_quotas=_quotas(row, "partner_"),
        partner_limited_since=_milliseconds(row["partner_limited_since"]),
    )


def _quotas(row: Row, prefix: str = "") -> Quotas:
    return Quotas(**{name: row[prefix + name] for name in NAMES})


def _milliseconds(moment: datetime | None) -> int:
    return 0 if moment is None else int(moment.timestamp() * 1000)


def _network(address: str) -> Network:
    """The network; of an unreadable address one that nobody calls from: fail closed."""
    try:
        return ip_network(address, strict=False)
    except ValueError:
        log.error("a key's address list holds %r, which is no network: it admits nobody", address)
        return ip_network("192.0.2.0/32")


def _grants(rows: Iterable[Row]) -> dict[tuple[UUID, UUID], tuple[GrantEntry, ...]]:
    return {
        key: tuple(_grant(row) for row in held)
        for key, held in _grouped(rows, "holder_id", "stage_id").items()
    }


def _grant(row: Row) -> GrantEntry:
    return GrantEntry(
        id=row["id"],
        partner_id=row["holder_id"],
        stage_id=row["stage_id"],
        opens_at=row["opens_at"],
        ends_at=row["closes_at"],
        terms_accepted=row["is_accepted"],
        transcript_consent=row["transcript_consent"],
        transcript_days=row["transcript_days"],
        quotas=_quotas(row),
        limited_since=_milliseconds(row["limited_since"]),
    )


def _checkpoints(
    rows: Iterable[Row], deployments: Group, prices: Group, secret_of: Callable[[str], str]
) -> dict[UUID, CheckpointEntry]:
    return {
        row["id"]: CheckpointEntry(
            id=row["id"],
            serving=row["serving"],
            context_window=row["context_window"],
            deployments=_deployments(deployments.get(row["id"], ()), secret_of),
            prices=tuple(_price(price) for price in prices.get(row["id"], ())),
        )
        for row in rows
    }


def _deployments(
    rows: Iterable[Row], secret_of: Callable[[str], str]
) -> tuple[DeploymentEntry, ...]:
    found = []
    for row in rows:
        try:
            secret = secret_of(row["secret_ref"])
        except DomainError as error:
            log.error("deployment %s gets no traffic: %s", row["id"], error.message)
            continue
        found.append(
            DeploymentEntry(
                id=row["id"],
                base_url=row["base_url"],
                upstream_model=row["upstream_model"],
                secret=secret,
                weight=row["weight"],
            )
        )
    return tuple(found)


def _price(row: Row) -> PriceEntry:
    return PriceEntry(
        currency=row["currency"],
        input=row["input_micros_per_million"],
        cached_input=row["cached_input_micros_per_million"],
        output=row["output_micros_per_million"],
        effective_at=row["effective_at"],
    )


def _releases(
    rows: Iterable[Row], served: Mapping[UUID, CheckpointEntry]
) -> dict[tuple[UUID, str], tuple[ReleaseEntry, ...]]:
    entries = [
        ReleaseEntry(
            id=row["id"],
            stage_id=row["stage_id"],
            size=row["size"],
            arm=Arm(row["arm"]),
            share=row["share"],
            state=ReleaseState(row["state"]),
            checkpoint=served[row["checkpoint_id"]],
        )
        for row in rows
    ]
    groups: dict[tuple[UUID, str], list[ReleaseEntry]] = defaultdict(list)
    for entry in entries:
        groups[entry.stage_id, entry.size].append(entry)
    return {key: tuple(found) for key, found in groups.items()}
