"""`GET /v1/models`: the codenames that a key may call."""

from __future__ import annotations

from typing import Any

import orjson

from alpha.gateway.errors import refusal_of_denial
from alpha.gateway.wire import Call
from alpha.routing import (
    CodenameEntry,
    Denial,
    KeyEntry,
    Refused,
    Table,
    codenames_of,
    resolve,
)
from infra import clock

OWNER = "slipway"


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
    await call.reply(200, orjson.dumps(_entry(table.codenames[codename])))


def _entry(found: CodenameEntry) -> dict[str, Any]:
    return {
        "id": found.name,
        "object": "model",
        "created": int(found.opens_at.timestamp()),
        "owned_by": OWNER,
    }
