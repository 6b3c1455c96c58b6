"""Every refusal of `/v1` in OpenAI's body; what an upstream said is never among them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import orjson

from alpha.routing import Denial, Refused

CALLER = "invalid_request_error"
SERVER = "server_error"
PERMISSION = "permission_error"
RATE = "rate_limit_error"


class Refusal(Exception):
    """An answer that is not the one asked for: status, and the four fields of the error body."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        kind: str = CALLER,
        param: str | None = None,
        retry_after: int | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        rates: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.kind, self.param, self.retry_after = kind, param, retry_after
        # `rates`: what the limits said that refused it.
        self.headers, self.rates = headers, rates

    def body(self) -> bytes:
        return orjson.dumps({"error": self.fields()})

    def fields(self) -> dict[str, str | None]:
        return {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}


class Failure(StrEnum):
    """How an upstream failed, by class."""

    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    REFUSED_INPUT = "refused_input"
    CONTEXT_TOO_LONG = "context_too_long"
    UNSUPPORTED = "unsupported"
    MISCONFIGURED = "misconfigured"
    OVERLOADED = "overloaded"
    BROKEN = "broken"
    MALFORMED = "malformed"
    CUT_OFF = "cut_off"


class UpstreamFailed(Exception):
    """An upstream did not do what was asked; `problem` is for the usage record alone.

    `elsewhere`: the same request may be tried at another deployment. Nothing of an answer was
    seen, and it is not the request that was refused.
    """

    def __init__(
        self, failure: Failure, problem: str, *, words: str = "", elsewhere: bool = False
    ) -> None:
        super().__init__(failure.value)
        self.failure, self.problem, self.elsewhere = failure, problem, elsewhere
        # The upstream's own words may repeat the prompt: kept only where the grant consents.
        self.words = words


class ClientGone(Exception):
    """The client closed the connection before the answer was complete."""


class Stopped(Exception):
    """The caller's access ended during the call; `problem` is for the usage record alone."""

    def __init__(self, refusal: Refusal, problem: str) -> None:
        super().__init__(problem)
        self.refusal, self.problem = refusal, problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the client is told about one class of failure."""

    status: int
    kind: str
    code: str
    message: str
    retry_after: int | None = None


SAID: dict[Failure, Said] = {
    Failure.UNREACHABLE: Said(
        status=503,
        kind=SERVER,
        code="model_unavailable",
        message="The model can't be reached at the moment. Try again.",
        retry_after=2,
    ),
    Failure.TIMED_OUT: Said(
        status=504, kind=SERVER, code="timeout", message="The model did not answer in time."
    ),
    Failure.REFUSED_INPUT: Said(
        status=400,
        kind=CALLER,
        code="invalid_request",
        message="The model does not take this request. Check its messages and parameters.",
    ),
    Failure.CONTEXT_TOO_LONG: Said(
        status=400,
        kind=CALLER,
        code="context_length_exceeded",
        message="The messages are longer than the model's context. Shorten them.",
    ),
    Failure.UNSUPPORTED: Said(
        status=400,
        kind=CALLER,
        code="unsupported_endpoint",
        message="The model does not serve this endpoint. Use /v1/chat/completions.",
    ),
    Failure.MISCONFIGURED: Said(
        status=502, kind=SERVER, code="model_error", message="The model could not answer."
    ),
    Failure.OVERLOADED: Said(
        status=503,
        kind=SERVER,
        code="model_overloaded",
        message="The model is busy at the moment. Try again.",
        retry_after=2,
    ),
    Failure.BROKEN: Said(
        status=502, kind=SERVER, code="model_error", message="The model could not answer."
    ),
    Failure.MALFORMED: Said(
        status=502, kind=SERVER, code="model_error", message="The model could not answer."
    ),
    Failure.CUT_OFF: Said(
        status=502,
        kind=SERVER,
        code="stream_interrupted",
        message="The model's answer broke off. What was sent so far is incomplete.",
    ),
}


def refusal_of(failure: Failure) -> Refusal:
    """What the client is told about a failed upstream."""
    said = SAID[failure]
    return Refusal(
        said.status, said.code, said.message, kind=said.kind, retry_after=said.retry_after
    )


def refusal_of_denial(denial: Denial, codename: str) -> Refusal:
    """What the client is told when nobody serves `codename`."""
    match denial.reason:
        case Refused.NO_SUCH_CODENAME:
            # One body for unknown and not granted: the difference must not be tellable.
            return Refusal(
                404,
                "model_not_found",
                f"The model `{codename}` does not exist or you do not have access to it.",
                param="model",
            )
        case Refused.CODENAME_ENDED:
            return Refusal(404, "model_not_found", denial.text, param="model")
        case Refused.TERMS_NOT_ACCEPTED:
            return Refusal(
                403,
                "terms_not_accepted",
                "Accept the alpha's terms before you call this model; your contact has them.",
                kind=PERMISSION,
            )
        case Refused.RELEASE_HALTED:
            return Refusal(
                503,
                "release_halted",
                "This model is halted at the moment. Your contact knows more.",
                kind=SERVER,
                retry_after=60,
            )
        case Refused.NO_DEPLOYMENT:
            return refusal_of(Failure.UNREACHABLE)


def invalid_key() -> Refusal:
    """The one answer to a missing, unknown, wrong, expired or revoked key."""
    return Refusal(
        401,
        "invalid_api_key",
        "Incorrect API key provided. Send your key as `Authorization: Bearer slw_…`.",
        headers=((b"www-authenticate", b"Bearer"),),
    )


def not_ready() -> Refusal:
    """While the worker has no table, or one too old to be trusted."""
    return Refusal(
        503,
        "not_ready",
        "The service is not ready at the moment. Try again.",
        kind=SERVER,
        retry_after=2,
    )
