"""Text of partners at rest: compressed, then encrypted under the partner's own key.

The partner's key is itself encrypted under the installation's; without it the text is gone.
"""

from __future__ import annotations

import os
import threading
from uuid import UUID

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FORM = b"\x01"
NONCE_BYTES = 12
KEY_BYTES = 32
LEVEL = 3
LARGEST_BYTES = 256 * 1024 * 1024
_OF_THREAD = threading.local()
"""A decompressor for each thread: making one takes longer than reading a text with it."""


class Unreadable(Exception):
    """The sealed bytes were changed, or the key is another's."""


def new_data_key(master: str, partner_id: UUID) -> tuple[bytes, bytes]:
    """A new key for a partner's text: itself, and as it may be stored."""
    key = AESGCM.generate_key(bit_length=KEY_BYTES * 8)
    return key, _encrypt(_wrapping_key(master), key, partner_id.bytes)


def unwrap(master: str, partner_id: UUID, wrapped: bytes) -> bytes:
    """The partner's key from its stored form; Unreadable."""
    return _decrypt(_wrapping_key(master), wrapped, partner_id.bytes)


def seal(key: bytes, request_id: UUID, text: bytes) -> bytes:
    """The text of one request, sealed; it opens under the same request id only."""
    return _encrypt(key, zstandard.ZstdCompressor(level=LEVEL).compress(text), request_id.bytes)


def unseal(key: bytes, request_id: UUID, sealed: bytes) -> bytes:
    """The text again; Unreadable."""
    packed = _decrypt(key, sealed, request_id.bytes)
    if not hasattr(_OF_THREAD, "decompressor"):
        _OF_THREAD.decompressor = zstandard.ZstdDecompressor()
    return bytes(_OF_THREAD.decompressor.decompress(packed, max_output_size=LARGEST_BYTES))


def _wrapping_key(master: str) -> bytes:
    derive = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"slipway data keys")
    return derive.derive(master.encode())


def _encrypt(key: bytes, text: bytes, bound_to: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return FORM + nonce + AESGCM(key).encrypt(nonce, text, FORM + bound_to)


def _decrypt(key: bytes, sealed: bytes, bound_to: bytes) -> bytes:
    form, nonce, text = sealed[:1], sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    if form != FORM:
        raise Unreadable("these bytes were not sealed by this version of Slipway")
    try:
        return AESGCM(key).decrypt(nonce, text, FORM + bound_to)
    except (InvalidTag, ValueError) as error:
        raise Unreadable("the sealed bytes were changed, or the key is another's") from error
