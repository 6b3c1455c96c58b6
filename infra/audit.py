"""The append-only log: one row a transition, in its transaction, chained by HMAC.

The key lives outside the database, so whoever can write every table still cannot forge a chain.
The head is anchored in the object store, so a cut tail shows.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import connection, models, transaction

from infra import clock
from infra.actors import Actor
from infra.errors import DomainError
from infra.models import AuditEntry
from infra.storage import ObjectMissing, ObjectStore, object_store

GENESIS = "0" * 64
ANCHOR_KEY = "audit/head.json"
_CHAIN_LOCK = 0x511B0A71
_CHAINED = (
    "seq at actor_kind actor_id actor_name on_behalf_of action object_type object_id "
    "object_name reason before after evidence_hash previous_mac"
).split()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a walk over the chain found; `problem` is None when it is whole."""

    n_entries: int
    head: str
    problem: str | None
    seq: int | None = None


def record(
    *,
    actor: Actor,
    action: str,
    subject: models.Model,
    reason: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    evidence_hash: str = "",
) -> AuditEntry:
    """Append one entry; must run inside the transaction of the change it tells of."""
    if not connection.in_atomic_block:
        raise DomainError("audit_outside_transaction", f"{action} was audited outside its change.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CHAIN_LOCK])
    last = AuditEntry.objects.order_by("-seq").values("seq", "mac").first()
    entry = AuditEntry(
        seq=(last["seq"] if last else 0) + 1,
        at=clock.now(),
        actor_kind=actor.kind.value,
        actor_id=actor.id,
        actor_name=actor.name,
        on_behalf_of=actor.on_behalf_of,
        action=action,
        object_type=subject._meta.model_name or "",
        object_id=str(subject.pk),
        object_name=str(subject)[:300],
        reason=reason,
        before=_plain(before),
        after=_plain(after),
        evidence_hash=evidence_hash,
        previous_mac=last["mac"] if last else GENESIS,
    )
    entry.mac = mac_of(entry)
    entry.save(force_insert=True)
    return entry


def _plain(snapshot: Mapping[str, Any] | None) -> Any:
    return None if snapshot is None else json.loads(json.dumps(snapshot, default=str))


def mac_of(entry: AuditEntry) -> str:
    """HMAC-SHA256 over the canonical JSON of every other column."""
    content = {name: getattr(entry, name) for name in _CHAINED}
    content["at"] = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hmac.new(settings.AUDIT_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()


def verify(store: ObjectStore | None = None) -> Verification:
    """Walk the chain and hold its head against the anchor; finds an edit, a gap or a cut tail."""
    head, seq = GENESIS, 0
    anchor = read_anchor(store or object_store())
    for entry in _entries():
        problem = _problem_with(entry, seq, head)
        if problem is None and anchor and entry.seq == anchor["seq"] and entry.mac != anchor["mac"]:
            problem = f"entry {entry.seq} is not the one anchored at {anchor['at']}"
        if problem:
            return Verification(n_entries=seq, head=head, problem=problem, seq=entry.seq)
        head, seq = entry.mac, entry.seq
    if anchor and anchor["seq"] > seq:
        cut = f"entries {seq + 1} to {anchor['seq']} are missing: the tail was cut"
        return Verification(n_entries=seq, head=head, problem=cut, seq=seq + 1)
    return Verification(n_entries=seq, head=head, problem=None)


def _entries() -> Iterator[AuditEntry]:
    return AuditEntry.objects.order_by("seq").iterator(chunk_size=2000)


def _problem_with(entry: AuditEntry, previous_seq: int, previous_mac: str) -> str | None:
    if entry.seq != previous_seq + 1:
        return f"entry {previous_seq + 1} is missing: the next one found is {entry.seq}"
    if entry.previous_mac != previous_mac:
        return f"entry {entry.seq} does not follow from entry {previous_seq}"
    if not hmac.compare_digest(mac_of(entry), entry.mac):
        return f"entry {entry.seq} ({entry.action} {entry.object_name}) was changed"
    return None


def anchor(store: ObjectStore | None = None) -> int:
    """Write the chain's head to the object store; the anchored sequence number, 0 when empty.

    An anchor never moves back: a shorter chain than the anchored one is left for `verify` to name.
    """
    place = store or object_store()
    with transaction.atomic():
        last = AuditEntry.objects.order_by("-seq").values("seq", "mac").first()
    known = read_anchor(place)
    if last is None or (known and known["seq"] >= last["seq"]):
        return int(known["seq"]) if known else 0
    document = {**last, "at": datetime.now(UTC).isoformat()}
    place.put(ANCHOR_KEY, json.dumps(document).encode())
    return int(last["seq"])


def read_anchor(store: ObjectStore) -> dict[str, Any] | None:
    """The anchored head `{seq, mac, at}`, None before the first."""
    try:
        return json.loads(store.get(ANCHOR_KEY))
    except ObjectMissing:
        return None
