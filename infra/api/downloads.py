"""JSON that a browser saves instead of showing it."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response


def as_file(value: Any, name: str) -> Response:
    """The value as a file of that name, which is plain ASCII without quotes."""
    response = Response(value)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
