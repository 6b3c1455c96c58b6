"""Who may do what, over the management API."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from infra.rights import Right, rights
from infra.roles import Role


class RightOut(serializers.Serializer):
    """One thing that somebody may do; persons by role, service keys by scope."""

    app = serializers.CharField()
    area = serializers.CharField()
    action = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())
    scopes = serializers.ListField(child=serializers.CharField())
    is_for_administrators = serializers.BooleanField()
    is_by_case = serializers.BooleanField(help_text="The case says which person may.")


class RolesAndRightsOut(serializers.Serializer):
    """The roles there are, and every right."""

    roles = serializers.ListField(child=serializers.CharField())
    rights = RightOut(many=True)


class Rights(APIView):
    """Every right, read from the rules that the services hold."""

    @extend_schema(responses=RolesAndRightsOut)
    def get(self, request: Request) -> Response:
        return Response(rights_document())


def rights_document() -> dict[str, object]:
    """`{roles, rights}` as plain values, the same for API and command."""
    return {"roles": [role.value for role in Role], "rights": [_plain(r) for r in rights()]}


def _plain(right: Right) -> dict[str, object]:
    return {
        "app": right.app,
        "area": right.area,
        "action": right.action,
        "roles": [role.value for role in Role if role in right.roles],
        "scopes": sorted(scope.value for scope in right.scopes),
        "is_for_administrators": right.is_for_administrators,
        "is_by_case": right.is_by_case,
    }
