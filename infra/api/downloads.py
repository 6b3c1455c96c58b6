"""What a browser saves instead of showing it."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.response import Response


def as_file(value: Any, name: str) -> Response:
    """The value as a file of that name, which is plain ASCII without quotes."""
    response = Response(value)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def bytes_as_file(content: bytes, name: str) -> HttpResponse:
    """Somebody else's file: only ever saved, never shown by the browser as a page of ours."""
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    answer = HttpResponse(content, content_type="application/octet-stream", headers=headers)
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)
    answer["Content-Disposition"] = f'attachment; filename="{plain}"'
    return answer
