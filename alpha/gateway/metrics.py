"""`GET /metrics`: for the operator's Prometheus alone, by a token; without one it is not there."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from alpha.gateway.counts import Counts, Shared, Snapshot
from alpha.gateway.errors import Refusal
from alpha.gateway.failed_keys import FailedKeys
from alpha.gateway.parts import Parts
from alpha.gateway.wire import Call
from infra import clock

PATH = "/metrics"
BEARER = "Bearer "


def measured(parts: Parts, failed_keys: FailedKeys) -> Mapping[str, float]:
    """What is known only by looking: each name of `exposition.GAUGES`."""
    table, segments = parts.tables.table, parts.journal.segments
    age_s = (clock.now() - table.loaded_at).total_seconds() if table else float("nan")
    return {
        "calls_under_way": len(parts.under_way),
        "sources_limited": failed_keys.n_limited(),
        "sources_known": len(failed_keys),
        "journal_events_waiting": parts.journal.n_ended - parts.shipper.n_shipped,
        "journal_bytes_waiting": sum(segment.size - segment.shipped for segment in segments),
        "reservations_unsettled": parts.limits.n_unsettled,
        "table_age_seconds": age_s,
        "is_listening": float(parts.tables.is_listening),
        "deployments_resting": len(parts.resting),
    }


def sharing(parts: Parts, failed_keys: FailedKeys, counts: Counts) -> Shared:
    """This worker's numbers beside those of the others that write to the same journals' folder."""

    def now() -> Snapshot:
        return counts.snapshot(measured(parts, failed_keys))

    return Shared(parts.config.journal_dir.parent / "metrics", now)


async def show_metrics(call: Call, token: str, shared: Shared | None) -> None:
    """The numbers of all workers; Refusal 404 without a token of ours, 401 without the caller's."""
    method = call.scope["method"]
    if not token or shared is None:
        raise Refusal(404, "unknown_url", f"Invalid URL ({method[:20]} {PATH}).")
    sent = call.header(b"authorization").encode("latin-1")
    if not hmac.compare_digest(sent, f"{BEARER}{token}".encode()):
        raise Refusal(
            401,
            "invalid_token",
            "Send SLIPWAY_METRICS_TOKEN as `Authorization: Bearer …`.",
            headers=((b"www-authenticate", b"Bearer"),),
        )
    if method != "GET":
        raise Refusal(405, "method_not_allowed", "Use GET here.", headers=((b"allow", b"GET"),))
    from alpha.gateway.exposition import CONTENT_TYPE, exposed

    body = exposed(shared.all())
    length = (b"content-length", str(len(body)).encode())
    await call.start(200, ((b"content-type", CONTENT_TYPE.encode()), length))
    await call.write(body, more=False)
