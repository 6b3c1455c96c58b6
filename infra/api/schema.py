"""How the API describes itself: its two ways to sign in, and refusals on every operation."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers


class ServiceKeyScheme(OpenApiAuthenticationExtension):
    target_class = "infra.api.authentication.ServiceKeyAuthentication"
    name = "serviceKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "slk_<public>_<secret>"}


class SessionScheme(OpenApiAuthenticationExtension):
    target_class = "infra.api.authentication.ConsoleSessionAuthentication"
    name = "consoleSession"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}


class ReasonOut(serializers.Serializer):
    """One reason of a refusal."""

    code = serializers.CharField()
    sentence = serializers.CharField()
    gate_id = serializers.CharField(allow_null=True)
    outcome = serializers.CharField(allow_null=True)
    observed = serializers.JSONField(allow_null=True)
    required = serializers.JSONField(allow_null=True)
    owner = serializers.CharField(allow_null=True)
    clears_at = serializers.CharField(allow_null=True)


class RefusalOut(serializers.Serializer):
    """Every error of the management API."""

    code = serializers.CharField()
    message = serializers.CharField()
    reasons = ReasonOut(many=True)


_REFUSALS = {
    "400": "The request is malformed; `reasons` names the fields.",
    "401": "No valid service key or session.",
    "403": "This actor may not do that.",
    "404": "No such resource.",
    "405": "The resource does not have that method.",
    "406": "Only JSON is spoken here.",
    "409": "The state of things does not allow it; `reasons` says why.",
    "413": "The body is too large.",
    "415": "Send JSON.",
    "502": "An upstream or the object store failed.",
}


class SlipwaySchema(AutoSchema):
    """Adds the refusals, which look the same everywhere, to each operation."""

    def _get_response_bodies(self, direction: str = "response") -> dict[str, Any]:
        bodies = super()._get_response_bodies(direction)
        for status, text in _REFUSALS.items():
            if status not in bodies:
                bodies[status] = self._get_response_for_code(
                    OpenApiResponse(RefusalOut, description=text), status, direction=direction
                )
        return bodies
