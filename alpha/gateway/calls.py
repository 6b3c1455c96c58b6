"""The road of a model call, the same for every endpoint: from its body to an admitted call."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from alpha.gateway.errors import SERVER, Refusal, refusal_of_denial
from alpha.gateway.lifetime import lifetime_headers
from alpha.gateway.limits import Admission, Estimate
from alpha.gateway.metering import PER, Run
from alpha.gateway.operation import Operation
from alpha.gateway.parts import Parts
from alpha.gateway.service import Service
from alpha.gateway.wire import Call
from alpha.routing import Denial, KeyEntry, Route, Table, resolve, unit_of
from infra import clock

log = logging.getLogger(__name__)
SESSION = b"x-slipway-session"


async def answer(
    parts: Parts,
    call: Call,
    table: Table,
    key: KeyEntry,
    checked: Callable[[Mapping[str, Any]], Operation],
) -> None:
    """Answer a call of one endpoint, streamed or whole; `checked` is its reading of the body."""
    config = parts.config
    body = await call.json_object(config.body_limit_bytes, config.body_patience_s)
    operation = checked(body)
    names = (operation.safety_identifier, operation.user, call.header(SESSION)[:512])
    unit = unit_of(config.unit_secret, key.partner_id, names, key.id)
    now = clock.now()
    route = resolve(table, key, operation.codename, unit, now)
    if isinstance(route, Denial):
        raise refusal_of_denial(route, operation.codename)
    call.lifetime = lifetime_headers(route.codename, now)
    admission = await parts.limits.start(
        key, route.grant, call.request_id.hex, lambda: upper_bound(route, operation, now)
    )
    call.rates = admission.rates
    run = await _begin(parts, call, operation, route, admission)
    await Service(parts, call, operation, run, admission, table).serve()


async def _begin(
    parts: Parts, call: Call, operation: Operation, route: Route, admission: Admission
) -> Run:
    """The call's usage event, begun; what can't be metered is not served."""
    checkpoint = route.release.checkpoint
    # The low bits of a request id are random: each call draws its own deployment.
    deployment = parts.resting.choose(checkpoint, call.request_id.int & 0xFFFFFFFF)
    try:
        return parts.ledger.begin(
            call.request_id, route, deployment, endpoint=operation.path, streamed=operation.stream
        )
    except OSError as error:
        log.error("no call can be metered: %s", error)
        await parts.limits.settle(admission, call.request_id.hex, 0, 0)
        raise Refusal(
            503,
            "metering_unavailable",
            "The call can't be accounted for at the moment. Try again.",
            kind=SERVER,
            retry_after=5,
        ) from error


def upper_bound(route: Route, operation: Operation, now: datetime) -> Estimate:
    """The most that the call can use, in tokens and micro-units of its price's currency."""
    checkpoint = route.release.checkpoint
    bound, price = operation.bound(checkpoint), checkpoint.price_at(now)
    total = bound.tokens_in * price.input + bound.tokens_out * price.output if price else 0
    return Estimate(
        tokens=bound.tokens_in + bound.tokens_out, micros=-(-total // PER), bounded=bound.is_kept
    )
