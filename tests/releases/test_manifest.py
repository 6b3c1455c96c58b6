"""How files differ from a manifest, and what a digest covers."""

from __future__ import annotations

from typing import Any

import pytest

from releases import digests, manifest

A = manifest.entry("a.bin", 3, "a" * 64)
B = manifest.entry("b.bin", 4, "b" * 64)
DIGEST: dict[str, Any] = {
    "family": "chat",
    "size": "nano",
    "name": "n",
    "owner_email": "e@example.org",
    "parent_digest": None,
    "kind": "sft",
    "artifact_uri": "s3://b/p",
    "manifest_digest": "0" * 64,
    "serving": {"system_prompt": "x"},
    "context_window": 2048,
}


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (None, "file_missing"),
        ((4, "a" * 64), "file_size"),
        ((3, "f" * 64), "file_hash"),
    ],
)
def test_a_difference_names_the_file(found: manifest.Found, code: str) -> None:
    reason = manifest.difference(A, found)
    assert reason is not None
    assert reason.code == code
    assert "a.bin" in reason.sentence


def test_the_same_file_is_no_difference() -> None:
    assert manifest.difference(A, (3, "a" * 64)) is None


def test_a_file_that_is_not_listed_is_extra() -> None:
    (reason,) = manifest.extras([A], ["a.bin", "z.bin"])
    assert (reason.code, "z.bin" in reason.sentence) == ("file_extra", True)


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../b", "./a"])
def test_a_path_stays_below_the_artifact(path: str) -> None:
    assert manifest.path_problems([manifest.entry(path, 1, "a" * 64)])


def test_a_path_is_listed_once() -> None:
    assert [index for index, _ in manifest.path_problems([A, B, A])] == [2]


def test_the_order_of_files_does_not_matter_to_the_digest() -> None:
    assert digests.manifest_digest([A, B]) == digests.manifest_digest([B, A])


def test_every_file_matters_to_the_digest() -> None:
    others = [[A], [A, {**B, "size": 5}], [A, {**B, "sha256": "c" * 64}], [A, {**B, "path": "c"}]]
    assert digests.manifest_digest([A, B]) not in [digests.manifest_digest(o) for o in others]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("family", "code"),
        ("size", "mini"),
        ("name", "m"),
        ("owner_email", "f@example.org"),
        ("parent_digest", "1" * 64),
        ("kind", "dpo"),
        ("artifact_uri", "s3://b/q"),
        ("manifest_digest", "1" * 64),
        ("serving", {"system_prompt": "y"}),
        ("context_window", 4096),
    ],
)
def test_the_checkpoint_digest_covers_every_field(field: str, value: Any) -> None:
    assert digests.checkpoint_digest(**DIGEST) != digests.checkpoint_digest(
        **{**DIGEST, field: value}
    )


def test_nan_has_no_digest() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        digests.sha256_of({"temperature": float("nan")})
