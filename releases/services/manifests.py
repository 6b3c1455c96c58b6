"""Holds a checkpoint's manifest against the files in the object store. Reads every byte."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings

from infra.errors import InvalidInput, Reason, UpstreamError
from infra.storage import FolderStore, ObjectMissing, ObjectStore, object_store, store_at
from releases import manifest as manifests
from releases.models import Checkpoint


def compute_manifest(artifact_uri: str) -> list[dict[str, Any]]:
    """Size and SHA-256 of every file below the address; InvalidInput when there is none."""
    store = _artifact_store(artifact_uri)
    with _files_are_readable(artifact_uri):
        found = [(path, _read(store, path)) for path in store.keys()]
    listed = [manifests.entry(path, *read) for path, read in found if read is not None]
    if not listed:
        raise InvalidInput(
            "artifact_empty",
            f"There is no file below {artifact_uri}. Give the address of the folder that holds the "
            "checkpoint's files, as this server sees it.",
        )
    return manifests.in_order(listed)


def manifest_differences(artifact_uri: str, manifest: manifests.Manifest) -> list[Reason]:
    """A reason for each file that is missing, extra or changed; UpstreamError from the store."""
    store = _artifact_store(artifact_uri)
    reasons = []
    with _files_are_readable(artifact_uri):
        paths = set(store.keys())
        for file in manifest:
            found = _read(store, file["path"]) if file["path"] in paths else None
            difference = manifests.difference(file, found)
            if difference is not None:
                reasons.append(difference)
    return reasons + manifests.extras(manifest, paths)


def verify_manifest(checkpoint: Checkpoint) -> list[Reason]:
    """How the stored files differ from what was registered; [] when every byte is the same."""
    return manifest_differences(checkpoint.artifact_uri, checkpoint.manifest)


def _artifact_store(artifact_uri: str) -> ObjectStore:
    """The store of an artifact; InvalidInput for a folder that this server does not read.

    Links are followed first: a name below an allowed folder is no way out of it.
    """
    store = store_at(artifact_uri)
    if not isinstance(store, FolderStore):
        return store
    own = object_store()
    roots = [root.resolve() for root in settings.FILE_ROOTS]
    if isinstance(own, FolderStore):
        roots.append(own.folder)
    if any(store.folder.is_relative_to(root) for root in roots):
        return store
    allowed = ", ".join(map(str, roots)) or "none"
    raise InvalidInput(
        "artifact_not_allowed",
        f"{artifact_uri} is not below a folder that this server reads artifacts from ({allowed}). "
        "Put the files there, give an s3:// address, or have SLIPWAY_FILE_ROOTS extended.",
    )


@contextmanager
def _files_are_readable(artifact_uri: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or artifact_uri
        raise UpstreamError(
            "object_store_failed", f"{where} can't be read: {error.strerror}.", retryable=False
        ) from error


def _read(store: ObjectStore, path: str) -> manifests.Found:
    try:
        return store.sha256(path)
    except ObjectMissing:
        return None
