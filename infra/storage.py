"""The object store: S3 through boto3, or a local folder; one interface.

An address is `s3://bucket/prefix` or `file:///folder`; a key is a path below it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import IO, Protocol
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from infra.errors import InvalidInput, UpstreamError

CHUNK_BYTES = 1 << 20
READS_AT_ONCE = 8


class ObjectMissing(Exception):
    """No object has that key."""


class ObjectStore(Protocol):
    """What Slipway asks of a place for bytes."""

    def put(self, key: str, body: bytes) -> None: ...
    def get(self, key: str) -> bytes: ...
    def get_many(self, keys: Collection[str]) -> dict[str, bytes]: ...
    def delete(self, key: str) -> None: ...
    def keys(self, prefix: str = "") -> Iterator[str]: ...
    def sha256(self, key: str) -> tuple[int, str]: ...


def _hash_of(stream: IO[bytes]) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    while chunk := stream.read(CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
    return size, digest.hexdigest()


def _found(store: ObjectStore, keys: Collection[str]) -> dict[str, bytes]:
    bodies = {}
    for key in keys:
        try:
            bodies[key] = store.get(key)
        except ObjectMissing:
            continue
    return bodies


class FolderStore:
    """Objects as files below a folder; a key can't leave it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    def _path(self, key: str) -> Path:
        if self._is_plain(key):
            return self.folder / key
        path = (self.folder / key).resolve()
        if not path.is_relative_to(self.folder) or path == self.folder:
            raise InvalidInput("bad_object_key", f"{key!r} does not name an object in the store.")
        return path

    def _is_plain(self, key: str) -> bool:
        """Whether the key goes straight down, through no link: `resolve` costs three times this."""
        at = str(self.folder)
        for part in key.split("/"):
            at = f"{at}/{part}"
            if part in ("", ".", "..") or "\0" in part or os.path.islink(at):
                return False
        return True

    def put(self, key: str, body: bytes) -> None:
        """Write whole or not at all: a reader never sees half an object."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(body)
            os.replace(temporary, path)
        except OSError as error:
            Path(temporary).unlink(missing_ok=True)
            raise UpstreamError(
                "object_store_failed", f"Could not write {path}: {error.strerror}.", retryable=True
            ) from error

    def get(self, key: str) -> bytes:
        """The object's bytes; ObjectMissing."""
        try:
            return self._path(key).read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            raise ObjectMissing(key) from None

    def get_many(self, keys: Collection[str]) -> dict[str, bytes]:
        """Each object's bytes; those that are missing are absent."""
        # One after another: threads would only wait for each other's interpreter lock.
        return _found(self, keys)

    def delete(self, key: str) -> None:
        """Remove the object; nothing happens when it is not there."""
        self._path(key).unlink(missing_ok=True)

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Every key that starts with `prefix`, sorted."""
        for path in sorted(self.folder.rglob("*")):
            key = path.relative_to(self.folder).as_posix()
            if path.is_file() and key.startswith(prefix) and not path.name.startswith("."):
                yield key

    def sha256(self, key: str) -> tuple[int, str]:
        """Size in bytes and SHA-256 of the object, read in chunks; ObjectMissing."""
        try:
            with self._path(key).open("rb") as file:
                return _hash_of(file)
        except (FileNotFoundError, IsADirectoryError):
            raise ObjectMissing(key) from None


class S3Store:
    """Objects in a bucket, below a prefix; credentials by the usual AWS_* variables."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self.bucket, self.prefix = bucket, prefix.strip("/")
        self.client = boto3.client("s3")

    def _key(self, key: str) -> str:
        return f"{self.prefix}/{key}" if self.prefix else key

    def _failed(self, key: str, error: Exception) -> Exception:
        if isinstance(error, ClientError):
            code = error.response.get("Error", {}).get("Code", "")
            if code in {"NoSuchKey", "404"}:
                return ObjectMissing(key)
        return UpstreamError(
            "object_store_failed", f"s3://{self.bucket}/{self._key(key)}: {error}.", retryable=True
        )

    def put(self, key: str, body: bytes) -> None:
        """Write the object; UpstreamError when the store does not take it."""
        try:
            self.client.put_object(Bucket=self.bucket, Key=self._key(key), Body=body)
        except (ClientError, BotoCoreError) as error:
            raise self._failed(key, error) from error

    def get(self, key: str) -> bytes:
        """The object's bytes; ObjectMissing."""
        try:
            return self.client.get_object(Bucket=self.bucket, Key=self._key(key))["Body"].read()
        except (ClientError, BotoCoreError) as error:
            raise self._failed(key, error) from error

    def get_many(self, keys: Collection[str]) -> dict[str, bytes]:
        """Each object's bytes, several at once; those that are missing are absent."""
        listed = list(keys)
        parts = [listed[start::READS_AT_ONCE] for start in range(min(READS_AT_ONCE, len(listed)))]
        with ThreadPoolExecutor(READS_AT_ONCE) as pool:
            found = pool.map(lambda part: _found(self, part), parts)
            return {key: body for part in found for key, body in part.items()}

    def delete(self, key: str) -> None:
        """Remove the object; nothing happens when it is not there."""
        try:
            self.client.delete_object(Bucket=self.bucket, Key=self._key(key))
        except (ClientError, BotoCoreError) as error:
            raise self._failed(key, error) from error

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Every key that starts with `prefix`, sorted."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self._key(prefix)
        )
        start = len(self.prefix) + 1 if self.prefix else 0
        try:
            for page in pages:
                yield from (item["Key"][start:] for item in page.get("Contents", ()))
        except (ClientError, BotoCoreError) as error:
            raise self._failed(prefix, error) from error

    def sha256(self, key: str) -> tuple[int, str]:
        """Size in bytes and SHA-256 of the object, streamed; ObjectMissing."""
        try:
            body = self.client.get_object(Bucket=self.bucket, Key=self._key(key))["Body"]
            return _hash_of(body)
        except (ClientError, BotoCoreError) as error:
            raise self._failed(key, error) from error


@lru_cache(maxsize=32)
def store_at(address: str) -> ObjectStore:
    """The store behind `s3://bucket/prefix` or `file:///folder`; InvalidInput for another."""
    parts = urlsplit(address)
    if parts.scheme == "s3" and parts.netloc:
        return S3Store(parts.netloc, parts.path)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return FolderStore(Path(parts.path))
    raise InvalidInput(
        "bad_store_address", f"{address!r} is neither s3://bucket/prefix nor file:///folder."
    )


def object_store() -> ObjectStore:
    """The store of this installation (`SLIPWAY_ARTIFACTS`)."""
    return store_at(settings.ARTIFACTS)
