"""What names content: SHA-256 over canonical JSON. Pure, standard library only."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any


def canonical_json(value: Any) -> bytes:
    """The one way a JSON value is written before it is hashed; ValueError for NaN or infinity."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def sha256_of(value: Any) -> str:
    """SHA-256 of the canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def plain_json(value: Any) -> Any:
    """The value as PostgreSQL gives it back from a JSON column, so that it hashes the same there.

    A number that is not finite becomes its name, -0.0 becomes 0.0, and a whole number of 1e16 or
    more an integer; what JSON has no word for becomes text.
    """
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, float):
        return _plain_number(value)
    if isinstance(value, Mapping):
        return {str(key): plain_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_json(item) for item in value]
    return value if isinstance(value, int) else str(value)


def _plain_number(value: float) -> float | int | str:
    if not math.isfinite(value):
        return str(value)
    if value.is_integer() and abs(value) >= 1e16:
        return int(value)
    return value + 0.0


def manifest_digest(manifest: Sequence[Mapping[str, Any]]) -> str:
    """Over every file's path, size and SHA-256; the order of the files does not matter."""
    rows = sorted([str(f["path"]), int(f["size"]), str(f["sha256"])] for f in manifest)
    return sha256_of(rows)


def checkpoint_digest(
    *,
    family: str,
    size: str,
    name: str,
    owner_email: str,
    parent_digest: str | None,
    kind: str,
    artifact_uri: str,
    manifest_digest: str,
    serving: Mapping[str, Any],
    context_window: int,
) -> str:
    """What verdicts name: a checkpoint's line, lineage, files and serving defaults."""
    return sha256_of(
        {
            "family": family,
            "size": size,
            "name": name,
            "owner": owner_email,
            "parent": parent_digest,
            "kind": kind,
            "artifact_uri": artifact_uri,
            "manifest": manifest_digest,
            "serving": serving,
            "context_window": context_window,
        }
    )
