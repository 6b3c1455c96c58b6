"""How refusals look."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response

from infra.errors import DomainError, InvalidInput, Reason


class TooLarge(exceptions.APIException):
    """A body that nobody reads to its end."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"

    def __init__(self) -> None:
        most_mib = settings.DATA_UPLOAD_MAX_MEMORY_SIZE / 2**20
        super().__init__(f"The body is larger than {most_mib:g} MiB: send it in parts.")


def handle_exception(error: Exception, context: dict[str, Any]) -> Response | None:
    """Every exception as a refusal body; None lets a real defect be a 500."""
    if isinstance(error, DomainError):
        return Response(error.as_body(), status=error.http_status)
    if isinstance(error, RequestDataTooBig):
        error = TooLarge()
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    if isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if not isinstance(error, exceptions.APIException):
        return None
    return _refusal(error)


def _refusal(error: exceptions.APIException) -> Response:
    if isinstance(error, exceptions.ValidationError):
        body = invalid_fields(error.detail).as_body()
    else:
        body = {"code": error.default_code, "message": str(error.detail), "reasons": []}
    headers = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header
    return Response(body, status=error.status_code, headers=headers)


def invalid_fields(detail: Any) -> InvalidInput:
    """A serializer's errors as one refusal with a reason a field."""
    reasons = [
        Reason(code="invalid_field", sentence=f"{path}: {text}", required=path)
        for path, text in _flatten(detail, "")
    ]
    message = "; ".join(reason.sentence for reason in reasons[:5]) or "The request is malformed."
    return InvalidInput("invalid_input", message, reasons)


def _flatten(detail: Any, path: str) -> list[tuple[str, str]]:
    if isinstance(detail, dict):
        pairs = [(f"{path}.{key}" if path else str(key), item) for key, item in detail.items()]
    elif isinstance(detail, list):
        pairs = [
            (f"{path}[{index}]" if isinstance(item, dict) else path, item)
            for index, item in enumerate(detail)
        ]
    else:
        return [(path or "body", str(detail))]
    return [found for name, item in pairs for found in _flatten(item, name)]
