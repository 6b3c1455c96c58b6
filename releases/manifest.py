"""A manifest, the size and SHA-256 of every file, and how files differ from it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from infra.errors import Reason

# What was found of a file: its size in bytes and SHA-256; None when it is not there.
Found = tuple[int, str] | None
Manifest = Sequence[Mapping[str, Any]]


def entry(path: str, size: int, sha256: str) -> dict[str, Any]:
    """One file of a manifest."""
    return {"path": path, "size": size, "sha256": sha256}


def in_order(manifest: Manifest) -> list[dict[str, Any]]:
    """The manifest as it is kept: sorted by path, digests in lower case."""
    files = [entry(f["path"], int(f["size"]), f["sha256"].lower()) for f in manifest]
    return sorted(files, key=lambda file: file["path"])


def path_problems(manifest: Manifest) -> list[tuple[int, str]]:
    """Position and sentence of each path that is used twice or does not stay in the folder."""
    problems, seen = [], set()
    for index, file in enumerate(manifest):
        path = file["path"]
        if path in seen:
            problems.append((index, f"{path!r} is listed twice"))
        if PurePosixPath(path).is_absolute() or {"..", "."} & set(path.split("/")):
            problems.append((index, f"{path!r} must be a path below the artifact's folder"))
        seen.add(path)
    return problems


def difference(expected: Mapping[str, Any], found: Found) -> Reason | None:
    """How one file differs from its manifest entry; None when it is the same."""
    path = expected["path"]
    if found is None:
        return _reason("file_missing", f"{path} is missing.", path, dict(expected), None)
    size, sha256 = found
    observed = entry(path, size, sha256)
    if size != expected["size"]:
        sentence = f"{path} has {size:,} bytes; the manifest says {expected['size']:,}."
        return _reason("file_size", sentence, path, dict(expected), observed)
    if sha256 != expected["sha256"]:
        sentence = (
            f"{path} was changed: its SHA-256 is {sha256[:12]}…; the manifest says "
            f"{expected['sha256'][:12]}…."
        )
        return _reason("file_hash", sentence, path, dict(expected), observed)
    return None


def extras(manifest: Manifest, paths: Iterable[str]) -> list[Reason]:
    """A reason for each file that the manifest does not list."""
    known = {file["path"] for file in manifest}
    return [
        _reason("file_extra", f"{path} is not in the manifest.", path, None, {"path": path})
        for path in sorted(set(paths) - known)
    ]


def _reason(code: str, sentence: str, path: str, required: Any, observed: Any) -> Reason:
    return Reason(
        code=code,
        sentence=sentence,
        observed=observed if observed is not None else {"path": path},
        required=required,
    )
