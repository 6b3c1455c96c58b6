"""Manifests against real stores: a folder, and S3 over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.errors import InvalidInput, UpstreamError
from infra.storage import store_at
from releases.services.manifests import compute_manifest, manifest_differences
from tests.releases.documents import FILES, artifact


@pytest.fixture(params=["folder", "s3"])
def artifact_uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A checkpoint's files in each kind of store."""
    if request.param == "folder":
        return f"file://{artifact(tmp_path / 'weights')}"
    uri = f"s3://{request.getfixturevalue('bucket')}/chat/nano-1"
    for name, content in FILES.items():
        store_at(uri).put(name, content)
    store_at(uri.removesuffix("-1")).put("other.bin", b"beside it")
    return uri


def test_a_manifest_lists_every_file_below_the_address(artifact_uri: str) -> None:
    found = compute_manifest(artifact_uri)
    assert [(f["path"], f["size"]) for f in found] == [
        ("tokenizer/vocab.json", 2),
        ("weights.gguf", 700),
    ]


def test_untouched_files_have_no_difference(artifact_uri: str) -> None:
    assert manifest_differences(artifact_uri, compute_manifest(artifact_uri)) == []


def test_one_changed_byte_names_the_file(artifact_uri: str) -> None:
    manifest = compute_manifest(artifact_uri)
    store_at(artifact_uri).put("weights.gguf", b"W" + FILES["weights.gguf"][1:])
    (reason,) = manifest_differences(artifact_uri, manifest)
    assert (reason.code, reason.sentence.split()[0]) == ("file_hash", "weights.gguf")


def test_every_kind_of_difference_is_told_at_once(artifact_uri: str) -> None:
    manifest = compute_manifest(artifact_uri)
    store = store_at(artifact_uri)
    store.delete("tokenizer/vocab.json")
    store.put("weights.gguf", b"short")
    store.put("added.bin", b"x")
    found = {
        reason.code: reason.sentence for reason in manifest_differences(artifact_uri, manifest)
    }
    assert set(found) == {"file_missing", "file_size", "file_extra"}
    assert "tokenizer/vocab.json" in found["file_missing"]
    assert "added.bin" in found["file_extra"]


def test_an_address_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no file below"):
        compute_manifest(f"file://{tmp_path}/nowhere")


def test_a_bucket_that_is_not_there_is_the_stores_failure(bucket: str) -> None:
    with pytest.raises(UpstreamError, match="NoSuchBucket"):
        compute_manifest(f"s3://{bucket}x/chat")


def test_a_name_longer_than_the_file_system_allows_is_the_stores_failure() -> None:
    with pytest.raises((UpstreamError, InvalidInput)):
        compute_manifest(f"file:///{'a' * 400}")
