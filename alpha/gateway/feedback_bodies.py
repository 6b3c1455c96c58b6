"""What a body of `/v1/feedback` may say, and how it is checked."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from alpha.gateway.errors import Refusal

ID_PREFIX = "chatcmpl-"
TEXTS = {"label": 100, "comment": 20_000, "correction": 100_000}
SAID = ("thumbs_up", "rating", "number", *TEXTS)
FIELDS = frozenset({"request_id", "conversation", "attachment", "idempotency_key", "notice", *SAID})
MOST_CALLS = 50
ATTACHMENT_BYTES = 1024 * 1024
ATTACHMENT_FIELDS = frozenset({"name", "content_type", "data"})
# What its first bytes must be, where the kind of file has such.
CONTENT_TYPES: dict[str, bytes] = {
    "application/json": b"",
    "application/pdf": b"%PDF-",
    "image/jpeg": b"\xff\xd8\xff",
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/webp": b"RIFF",
    "text/csv": b"",
    "text/plain": b"",
}
_TEXT_TYPES = frozenset({"application/json", "text/csv", "text/plain"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A checked file."""

    name: str
    content_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A checked body; `calls` in their order, the last one is what the remark is bound to."""

    calls: tuple[UUID, ...]
    idempotency_key: str
    said: Mapping[str, Any]
    attachment: Attachment | None = None
    notice: UUID | None = None
    """The notice of a fix that it answers: `thumbs_up` says whether it is gone."""

    @property
    def request_id(self) -> UUID:
        return self.calls[-1]


def remark_of(body: Mapping[str, Any], header: str) -> Remark:
    """The checked body; Refusal 400 that names the field in `param`."""
    _known(body, FIELDS, "")
    calls = _calls(body)
    said = {name: body[name] for name in SAID if body.get(name) is not None}
    attachment = _attachment(body.get("attachment"))
    if not said and attachment is None:
        raise _invalid("comment", f"Say something: at least one of {', '.join(SAID)}.")
    _check(said)
    notice = _notice(body.get("notice"), said)
    idempotency_key = body.get("idempotency_key") or header
    if not isinstance(idempotency_key, str) or not _is_text(idempotency_key, 200):
        raise _invalid("idempotency_key", "'idempotency_key' must be text of up to 200 characters.")
    return Remark(
        calls=calls,
        idempotency_key=idempotency_key,
        said=said,
        attachment=attachment,
        notice=notice,
    )


def _known(given: Mapping[str, Any], fields: frozenset[str], below: str) -> None:
    for name in given:
        if name not in fields:
            param = f"{below}{name[:100]}"
            raise Refusal(400, "unknown_parameter", f"Unknown parameter: '{param}'.", param=param)


def _calls(body: Mapping[str, Any]) -> tuple[UUID, ...]:
    """The call of `request_id`, or those of `conversation`, whose last it may repeat."""
    several = body.get("conversation")
    if several is None:
        return (_call(body.get("request_id"), "request_id"),)
    if not isinstance(several, list) or not 0 < len(several) <= MOST_CALLS:
        message = f"'conversation' must be a list of 1 to {MOST_CALLS} replies' ids, in order."
        raise _invalid("conversation", message)
    calls = tuple(_call(one, "conversation") for one in several)
    if len(set(calls)) < len(calls):
        raise _invalid("conversation", "'conversation' must name each call once.")
    named = body.get("request_id")
    if named is not None and _call(named, "request_id") != calls[-1]:
        message = "'request_id' must be the last call of 'conversation', or be left out."
        raise _invalid("request_id", message)
    return calls


def _call(given: Any, param: str) -> UUID:
    identifier = uuid_of(str(given or "").removeprefix(ID_PREFIX))
    if identifier is None or identifier.version != 7:
        name = f"'{param}' must be a reply's `id` or its `x-request-id` header."
        raise _invalid(param, name)
    return identifier


def _notice(given: Any, said: Mapping[str, Any]) -> UUID | None:
    if given is None:
        return None
    notice = uuid_of(given) if isinstance(given, str) else None
    if notice is None:
        raise _invalid("notice", "'notice' must be the id of a notice.")
    if "thumbs_up" not in said:
        message = "Say with 'thumbs_up' whether what the notice is about is gone: true or false."
        raise _invalid("thumbs_up", message)
    return notice


def _attachment(given: Any) -> Attachment | None:
    if given is None:
        return None
    if not isinstance(given, dict):
        raise _invalid("attachment", "'attachment' must have 'name', 'content_type' and 'data'.")
    _known(given, ATTACHMENT_FIELDS, "attachment.")
    name, kind, data = (given.get(key) for key in ("name", "content_type", "data"))
    if not _is_text(name, 200) or not name.strip() or not name.isprintable() or "/" in name:
        raise _invalid("attachment.name", "'attachment.name' must be a file's name, no path.")
    if not isinstance(kind, str) or kind not in CONTENT_TYPES:
        message = f"'attachment.content_type' must be one of {', '.join(CONTENT_TYPES)}."
        raise _invalid("attachment.content_type", message)
    content = _decoded(data)
    if not content.startswith(CONTENT_TYPES[kind]) or not _is_of_type(content, kind):
        raise _invalid("attachment.data", f"The attachment's bytes are no {kind}.")
    return Attachment(name=name, content_type=kind, content=content)


def _decoded(data: Any) -> bytes:
    if not isinstance(data, str):
        raise _invalid("attachment.data", "'attachment.data' must be the file in base64.")
    if len(data) > ATTACHMENT_BYTES * 4 // 3 + 4:
        message = f"The attachment is larger than {ATTACHMENT_BYTES:,} bytes: shorten it."
        raise Refusal(413, "attachment_too_large", message, param="attachment.data")
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        message = "'attachment.data' is not base64."
        raise _invalid("attachment.data", message) from None
    if not content or len(content) > ATTACHMENT_BYTES:
        message = f"The attachment must have 1 to {ATTACHMENT_BYTES:,} bytes."
        raise Refusal(413 if content else 400, "attachment_size", message, param="attachment.data")
    return content


def _is_of_type(content: bytes, kind: str) -> bool:
    if kind not in _TEXT_TYPES:
        return True
    try:
        return "\0" not in content.decode("utf-8")
    except UnicodeDecodeError:
        return False


def _check(said: Mapping[str, Any]) -> None:
    if not isinstance(said.get("thumbs_up", True), bool):
        raise _invalid("thumbs_up", "'thumbs_up' must be true or false.")
    rating = said.get("rating", 0)
    if not isinstance(rating, int) or isinstance(rating, bool) or not -1000 <= rating <= 1000:
        raise _invalid("rating", "'rating' must be a whole number from -1000 to 1000.")
    number = said.get("number", 0)
    if not isinstance(number, int | float) or isinstance(number, bool) or not _fits(number):
        raise _invalid("number", "'number' must be a number.")
    for name, longest in TEXTS.items():
        if not _is_text(said.get(name, ""), longest):
            raise _invalid(name, f"'{name}' must be text of up to {longest:,} characters.")


def _fits(number: float) -> bool:
    return math.isfinite(number) and abs(number) < 1e300


def _is_text(value: Any, longest: int) -> bool:
    return isinstance(value, str) and len(value) <= longest and "\0" not in value


def uuid_of(text: str) -> UUID | None:
    """The id in the text; None when it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None


def _invalid(param: str, message: str) -> Refusal:
    return Refusal(400, "invalid_value", message, param=param)
