"""One contract for every object store: the folder, and S3 over moto's HTTP server."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from infra.errors import InvalidInput, UpstreamError
from infra.storage import ObjectMissing, ObjectStore, S3Store, store_at


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_environment(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, s3_environment: None) -> ObjectStore:
    if request.param == "folder":
        return store_at(f"file://{tmp_path}/store")
    bucket = f"b-{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:20]}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    return S3Store(bucket, "some/prefix")


def test_what_was_put_is_got(store: ObjectStore) -> None:
    store.put("a/b.bin", b"\x00hello")
    assert store.get("a/b.bin") == b"\x00hello"
    store.put("a/b.bin", b"newer")
    assert store.get("a/b.bin") == b"newer"


def test_size_and_hash_are_of_the_bytes(store: ObjectStore) -> None:
    store.put("weights", b"x" * 3_000_000)
    assert store.sha256("weights") == (3_000_000, hashlib.sha256(b"x" * 3_000_000).hexdigest())


def test_a_missing_object_is_named_so(store: ObjectStore) -> None:
    for read in (store.get, store.sha256):
        with pytest.raises(ObjectMissing):
            read("nothing")


def test_many_are_got_at_once_and_the_missing_are_absent(store: ObjectStore) -> None:
    made = {f"some/{number % 7}/{number}": b"%d" % number for number in range(40)}
    for key, body in made.items():
        store.put(key, body)
    assert store.get_many([*made, "some/nothing"]) == made
    assert store.get_many([]) == {}


def test_keys_are_listed_below_a_prefix(store: ObjectStore) -> None:
    for key in ("m/b", "m/a", "n/c"):
        store.put(key, b"1")
    assert list(store.keys("m/")) == ["m/a", "m/b"]
    assert list(store.keys()) == ["m/a", "m/b", "n/c"]


def test_deleting_twice_is_quiet(store: ObjectStore) -> None:
    store.put("a", b"1")
    store.delete("a")
    store.delete("a")
    assert list(store.keys()) == []


@pytest.mark.parametrize("key", ["../secret", "/etc/passwd", "a/../../b", ""])
def test_a_key_cannot_leave_the_folder(key: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="does not name an object"):
        store_at(f"file://{tmp_path}/store").put(key, b"1")


def test_a_link_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").write_bytes(b"secret")
    store = store_at(f"file://{tmp_path}/store")
    store.put("a/b", b"1")
    (tmp_path / "store" / "a" / "folder").symlink_to(tmp_path / "secrets")
    (tmp_path / "store" / "a" / "file").symlink_to(tmp_path / "secrets" / "key")
    for key in ("a/folder/key", "a/file"):
        with pytest.raises(InvalidInput, match="does not name an object"):
            store.get(key)


@pytest.mark.parametrize("address", ["", "ftp://x/y", "s3://", "file://host/x", "relative/path"])
def test_an_address_of_another_kind_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput, match="neither s3://bucket/prefix nor file:///folder"):
        store_at(address)


def test_a_store_that_is_away_is_an_upstream_error(s3_environment: None) -> None:
    with pytest.raises(UpstreamError, match="s3://no-such-bucket/a"):
        S3Store("no-such-bucket", "").put("a", b"1")
