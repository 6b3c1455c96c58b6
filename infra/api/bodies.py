"""Bodies that many actions take, and how a body is checked."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class ReasonIn(serializers.Serializer):
    """Why; the auditor reads it."""

    reason = serializers.CharField(max_length=4000)


def checked(serializer: type[serializers.Serializer], data: Any) -> dict[str, Any]:
    """The validated fields; a refusal names the others."""
    asked = serializer(data=data)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)
