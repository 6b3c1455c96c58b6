"""Refusals that carry every reason; each subclass owns its HTTP status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """What a gate or a refusal says, to a person and to a machine."""

    code: str
    sentence: str
    gate_id: str | None = None
    outcome: str | None = None
    observed: Any = None
    required: Any = None
    owner: str | None = None
    clears_at: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class DomainError(Exception):
    """A refusal: what was wrong, where, and what to do."""

    http_status = 400

    def __init__(self, code: str, message: str, reasons: Sequence[Reason] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reasons = tuple(reasons)

    def as_body(self) -> Mapping[str, Any]:
        """The management API's error body."""
        return {
            "code": self.code,
            "message": self.message,
            "reasons": [reason.as_dict() for reason in self.reasons],
        }


class InvalidInput(DomainError):
    http_status = 400


class NotPermitted(DomainError):
    http_status = 403


class NotFound(DomainError):
    http_status = 404


class InvalidMove(DomainError):
    http_status = 409


class PromotionBlocked(DomainError):
    http_status = 409


class UpstreamError(DomainError):
    """A network peer failed; `retryable` says whether the same call may go through later."""

    http_status = 502

    def __init__(self, code: str, message: str, *, retryable: bool) -> None:
        super().__init__(code, message)
        self.retryable = retryable
