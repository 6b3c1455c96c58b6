"""The `/v1` data plane as one ASGI application: no Django on its path, no statement either."""

from __future__ import annotations

import logging
from contextlib import suppress
from functools import partial

from alpha.gateway import metrics, preferences
from alpha.gateway.calls import answer
from alpha.gateway.catalog import list_models, list_releases, show_model
from alpha.gateway.chat import Chat
from alpha.gateway.completions import Completion
from alpha.gateway.config import GatewayConfig
from alpha.gateway.counts import Counts, Shared
from alpha.gateway.embeddings import Embedding
from alpha.gateway.errors import SERVER, ClientGone, Refusal, invalid_key, not_ready
from alpha.gateway.failed_keys import FailedKeys
from alpha.gateway.feedback import post_feedback, show_feedback
from alpha.gateway.notices import acknowledge, list_notices
from alpha.gateway.parts import Parts
from alpha.gateway.responses import Response
from alpha.gateway.usage import show_usage
from alpha.gateway.wire import Call, Receive, Scope, Send
from alpha.keys import parse_key, secret_matches
from alpha.routing import KeyEntry, Table, is_usable, may_come_from
from infra import clock

log = logging.getLogger(__name__)
ROOT = "/v1"
MODEL_CALLS: dict[str, type[Chat | Response | Completion | Embedding]] = {
    operation.path: operation for operation in (Chat, Response, Completion, Embedding)
}
BEARER = "bearer "


class Gateway:
    """Answers `/v1`; opened and closed by the server's lifespan."""

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self._parts: Parts | None = None
        self._counts = Counts()
        self._shared: Shared | None = None
        self.failed_keys = FailedKeys(
            burst=config.failed_keys_burst,
            per_s=config.failed_keys_per_s,
            n_sources=config.failed_keys_sources,
        )

    async def open(self) -> None:
        parts = self._parts = Parts(self._config, self._counts)
        if self._config.metrics_token:
            self._shared = metrics.sharing(parts, self.failed_keys, self._counts)
            self._shared.start()
        await parts.open()

    async def close(self) -> None:
        parts, self._parts = self._parts, None
        self.failed_keys.tell()
        if self._shared is not None:
            await self._shared.stop()
        if parts is not None:
            await parts.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = Call(scope, receive, send)
        try:
            await self._answer(call)
        except Refusal as refusal:
            self._recognize(call, refusal)
            self._counts.call_refused(refusal)
            await call.refuse(refusal)
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001 - the client is owed an answer to any defect
            # The error's own text may hold the body's: only where it happened is logged.
            log.error("%s at %s", type(error).__name__, _place_of(error))
            if not call.is_started:
                await call.refuse(_broken())
                return
            raise ConnectionAbortedError("the answer broke off") from None

    async def _answer(self, call: Call) -> None:
        method, path = call.scope["method"], call.scope["path"].rstrip("/")
        if path == metrics.PATH:
            await metrics.show_metrics(call, self._config.metrics_token, self._shared)
            return
        parts, table = self._ready()
        below = path.removeprefix(f"{ROOT}/")
        if (operation := MODEL_CALLS.get(below)) is not None:
            _only(method, "POST")
            await answer(parts, call, table, self._key(table, call), operation)
            return
        match below.split("/"):
            case ["models"]:
                _only(method, "GET")
                await list_models(call, table, self._key(table, call))
            case ["models", codename]:
                _only(method, "GET")
                await show_model(call, table, self._key(table, call), codename)
            case ["releases"]:
                _only(method, "GET")
                await list_releases(call, table, self._key(table, call))
            case ["usage"]:
                _only(method, "GET")
                await show_usage(parts, call, self._key(table, call))
            case ["feedback"]:
                _only(method, "POST")
                await post_feedback(parts, call, self._key(table, call))
            case ["feedback", identifier]:
                _only(method, "GET")
                await show_feedback(parts, call, self._key(table, call), identifier)
            case ["preferences"] if method == "GET":
                await preferences.list_sessions(parts, call, self._key(table, call))
            case ["preferences"]:
                _only(method, "POST")
                await preferences.ask(parts, call, table, self._key(table, call))
            case ["preferences", identifier]:
                _only(method, "GET")
                await preferences.show(parts, call, self._key(table, call), identifier)
            case ["preferences", identifier, "vote"]:
                _only(method, "POST")
                await preferences.vote(parts, call, self._key(table, call), identifier)
            case ["notices"]:
                _only(method, "GET")
                await list_notices(parts, call, self._key(table, call))
            case ["notices", identifier, "ack"]:
                _only(method, "POST")
                await acknowledge(parts, call, self._key(table, call), identifier)
            case _:
                raise Refusal(404, "unknown_url", f"Invalid URL ({method} {path[:200]}).")

    def _ready(self) -> tuple[Parts, Table]:
        table = self._parts.tables.current() if self._parts else None
        if self._parts is None or table is None:
            raise not_ready()
        return self._parts, table

    def _key(self, table: Table, call: Call) -> KeyEntry:
        """The key of the call; Refusal 401, the same whatever is wrong with it, or 429.

        A source that failed too often is told so; a valid key from there is served all the same,
        since many partners may share the address. A key that nobody holds is never hashed.
        """
        sent = call.header(b"authorization")
        parsed = parse_key(sent[len(BEARER) :].strip()) if sent[:7].lower() == BEARER else None
        entry = table.keys.get(parsed.public) if parsed else None
        if parsed is None or entry is None:
            reason = "unknown" if parsed else "malformed" if sent else "missing"
            raise self._failed(call, reason)
        if not secret_matches(parsed.secret, entry.digest, self._config.key_pepper):
            raise self._failed(call, "wrong_secret")
        if not is_usable(entry, clock.now()):
            raise self._failed(call, "expired")
        if not may_come_from(entry, call.address):
            self._counts.failed_keys["address"] += 1
            raise Refusal(401, "ip_not_authorized", "This key is not used from this address.")
        if self._parts is not None:
            call.look_up_rates = partial(self._parts.limits.rates_of, entry)
        return entry

    def _recognize(self, call: Call, refusal: Refusal) -> None:
        """Unknown paths and methods are told without a key; one that was sent counts all the same.

        Its answer tells rates when it is valid; a wrong one is counted as anywhere else.
        """
        unseen = refusal.status in (404, 405) and call.look_up_rates is None
        table = self._parts.tables.current() if self._parts else None
        if unseen and table is not None and call.header(b"authorization"):
            with suppress(Refusal):
                self._key(table, call)

    def _failed(self, call: Call, reason: str) -> Refusal:
        self._counts.failed_keys[reason] += 1
        return self.failed_keys.failed(call.address) or invalid_key()


def _only(method: str, allowed: str) -> None:
    if method != allowed:
        raise Refusal(
            405,
            "method_not_allowed",
            f"Use {allowed} here, not {method[:20]}.",
            headers=((b"allow", allowed.encode()),),
        )


def _broken() -> Refusal:
    return Refusal(500, "internal_error", "The call could not be answered.", kind=SERVER)


def _place_of(error: BaseException) -> str:
    trace, place = error.__traceback__, "?"
    while trace is not None:
        code = trace.tb_frame.f_code
        place = f"{code.co_filename}:{trace.tb_lineno} in {code.co_name}"
        trace = trace.tb_next
    return place


async def run_lifespan(gateway: Gateway, receive: Receive, send: Send) -> None:
    """Open the gateway when the server starts, close it when it stops."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                await gateway.open()
            except OSError as error:
                await send({"type": "lifespan.startup.failed", "message": f"gateway: {error}"})
                return
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await gateway.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
