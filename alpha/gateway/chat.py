"""`POST /v1/chat/completions`: from the body to an admitted call."""

from __future__ import annotations

import logging

import orjson

from alpha.gateway.errors import SERVER, Refusal, refusal_of_denial
from alpha.gateway.limits import Admission, Estimate
from alpha.gateway.metering import PER, Run
from alpha.gateway.parts import Parts
from alpha.gateway.requests import ChatRequest, chat_request
from alpha.gateway.service import Service
from alpha.gateway.wire import Call
from alpha.routing import Denial, KeyEntry, Route, Table, choose_deployment, resolve, unit_of
from infra import clock

log = logging.getLogger(__name__)
ENDPOINT = "chat/completions"
SESSION = b"x-slipway-session"
# What a template may add around each message, at most.
FRAME_TOKENS = 16
UNBOUNDED_TOKENS = 1024


async def complete_chat(parts: Parts, call: Call, table: Table, key: KeyEntry) -> None:
    """Answer a chat completion, streamed or whole."""
    config = parts.config
    body = await call.json_object(config.body_limit_bytes, config.body_patience_s)
    chat = chat_request(body)
    names = (chat.safety_identifier, chat.user, call.header(SESSION)[:512])
    unit = unit_of(config.unit_secret, key.partner_id, names, key.id)
    route = resolve(table, key, chat.codename, unit, clock.now())
    if isinstance(route, Denial):
        raise refusal_of_denial(route, chat.codename)
    admission = await parts.limits.start(
        route.grant, key.id, call.request_id.hex, lambda: upper_bound(route, chat)
    )
    call.rates = admission.rates
    run = await _begin(parts, call, chat, route, admission)
    await Service(parts, call, chat, run, admission).serve()


async def _begin(
    parts: Parts, call: Call, chat: ChatRequest, route: Route, admission: Admission
) -> Run:
    """The call's usage event, begun; what can't be metered is not served."""
    checkpoint = route.release.checkpoint
    # The low bits of a request id are random: each call draws its own deployment.
    deployment = choose_deployment(checkpoint, call.request_id.int & 0xFFFFFFFF)
    try:
        return parts.ledger.begin(
            call.request_id, route, deployment, endpoint=ENDPOINT, streamed=chat.stream
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


def upper_bound(route: Route, chat: ChatRequest) -> Estimate:
    """The most that the call can use: a token a byte, and every token that it may be answered.

    Without `max_tokens` nobody knows: a usual length is reserved, and the limits know of it.
    """
    messages, checkpoint = chat.forwarded["messages"], route.release.checkpoint
    tokens_in = len(orjson.dumps(messages)) + FRAME_TOKENS * len(messages)
    sampling = checkpoint.serving.get("sampling") or {}
    limit = chat.max_tokens or sampling.get("max_tokens")
    window = checkpoint.context_window
    tokens_out = min(limit or UNBOUNDED_TOKENS, window) * chat.n_choices
    price = checkpoint.price_at(clock.now())
    total = tokens_in * price.input + tokens_out * price.output if price else 0
    return Estimate(
        tokens=tokens_in + tokens_out, micros=-(-total // PER), bounded=limit is not None
    )
