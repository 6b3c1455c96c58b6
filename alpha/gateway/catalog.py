"""`GET /v1/models` and `/v1/releases`: the codenames that a key may call, and how they stand."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

import orjson

from alpha.gateway.errors import refusal_of_denial
from alpha.gateway.lifetime import lifetime_headers
from alpha.gateway.wire import Call
from alpha.routing import (
    CodenameEntry,
    Denial,
    KeyEntry,
    Refused,
    Route,
    Table,
    codenames_of,
    resolve,
)
from infra import clock

OWNER = "slipway"
# A codename that can't be called, in a partner's words.
STATES = {
    Refused.CODENAME_ENDED: "ended",
    Refused.TERMS_NOT_ACCEPTED: "terms_not_accepted",
    Refused.RELEASE_HALTED: "halted",
    Refused.NO_DEPLOYMENT: "unavailable",
}


async def list_models(call: Call, table: Table, key: KeyEntry) -> None:
    """Answer with every codename of the key's partner."""
    entries = [_entry(found) for found in codenames_of(table, key, clock.now())]
    await call.reply(200, orjson.dumps({"object": "list", "data": entries}))


async def show_model(call: Call, table: Table, key: KeyEntry, codename: str) -> None:
    """Answer with one codename; Refusal as a call of it would meet, but for a halt."""
    answer = resolve(table, key, codename, "", clock.now())
    known = {Refused.RELEASE_HALTED, Refused.NO_DEPLOYMENT, Refused.TERMS_NOT_ACCEPTED}
    if isinstance(answer, Denial) and answer.reason not in known:
        raise refusal_of_denial(answer, codename)
    call.lifetime = lifetime_headers(table.codenames[codename], clock.now())
    await call.reply(200, orjson.dumps(_entry(table.codenames[codename])))


async def list_releases(call: Call, table: Table, key: KeyEntry) -> None:
    """Answer with the state, times and rates of every codename that the partner has or had."""
    now, entries = clock.now(), []
    for name in sorted(table.codenames):
        answer = resolve(table, key, name, "", now)
        if isinstance(answer, Denial) and answer.reason is Refused.NO_SUCH_CODENAME:
            continue
        entries.append(_release(table, key, table.codenames[name], answer, now))
    await call.reply(200, orjson.dumps({"object": "list", "data": entries}))


def _release(
    table: Table, key: KeyEntry, found: CodenameEntry, answer: Route | Denial, now: datetime
) -> dict[str, Any]:
    """One codename as its partner sees it; the checkpoint behind it has no part in it."""
    held = table.grants.get((key.partner_id, found.stage_id), ())
    in_force = [grant for grant in held if grant.is_in_force(now)]
    accepted = [grant for grant in in_force if grant.terms_accepted]
    grant = next(iter([*accepted, *in_force]), None)
    return {
        "id": found.name,
        "object": "release",
        "state": STATES[answer.reason] if isinstance(answer, Denial) else "open",
        "opens_at": int(found.opens_at.timestamp()),
        "ends_at": _seconds(found.ends_at),
        "access_ends_at": _seconds(grant.ends_at) if grant else None,
        "rates": asdict(grant.quotas) if grant else None,
        "message": answer.text if isinstance(answer, Denial) and answer.text else None,
    }


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def _entry(found: CodenameEntry) -> dict[str, Any]:
    return {
        "id": found.name,
        "object": "model",
        "created": int(found.opens_at.timestamp()),
        "owned_by": OWNER,
    }
