"""Keys of partners."""

from __future__ import annotations

import pytest

from alpha.keys import digest_of, format_key, make_key, parse_key, secret_matches

PEPPER = "a-pepper"


def test_a_made_key_is_read_back() -> None:
    public, secret, text = make_key()
    parsed = parse_key(text)
    assert parsed is not None
    assert (parsed.public, parsed.secret) == (public, secret)
    assert text == format_key(public, secret) == f"slw_{public}_{secret}"


def test_keys_differ_in_both_parts() -> None:
    made = [make_key() for _ in range(200)]
    assert len({public for public, _, _ in made}) == len({secret for _, secret, _ in made}) == 200


def test_the_right_secret_matches_only_under_its_pepper() -> None:
    _, secret, _ = make_key()
    digest = digest_of(secret, PEPPER)
    assert len(digest) == 64
    assert secret_matches(secret, digest, PEPPER)
    assert not secret_matches(secret, digest, "another-pepper")


@pytest.mark.parametrize("at", [0, 20, 42])
def test_one_changed_character_anywhere_does_not_match(at: int) -> None:
    _, secret, _ = make_key()
    other = secret[:at] + ("a" if secret[at] != "a" else "b") + secret[at + 1 :]
    assert not secret_matches(other, digest_of(secret, PEPPER), PEPPER)


def test_the_secret_is_not_shown_in_a_representation() -> None:
    _, secret, text = make_key()
    assert secret not in repr(parse_key(text))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("empty", ""),
        ("another prefix", "sk_" + "a" * 12 + "_" + "b" * 43),
        ("short secret", "slw_" + "a" * 12 + "_" + "b" * 42),
        ("long secret", "slw_" + "a" * 12 + "_" + "b" * 44),
        ("a quote", "slw_" + "a" * 11 + "'_" + "b" * 43),
        ("upper-case public part", "slw_" + "A" * 12 + "_" + "b" * 43),
        ("digits of another script", "slw_" + "١" * 12 + "_" + "b" * 43),
        ("a line after it", "slw_" + "a" * 12 + "_" + "b" * 43 + "\n"),
        ("8 KB", "slw_" + "a" * 8192),
    ],
)
def test_what_is_no_key_is_not_read(name: str, text: str) -> None:
    assert parse_key(text) is None, name
