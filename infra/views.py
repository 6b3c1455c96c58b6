"""Health, and what is said when no page answers."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class HealthOut(serializers.Serializer):
    """Whether this process can do its work."""

    state = serializers.ChoiceField(choices=["ready", "database_unreachable"])


class Health(APIView):
    """Ready when the database answers; 503 otherwise."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(responses={200: HealthOut, 503: HealthOut})
    def get(self, request: Request) -> Response:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except DatabaseError:
            return Response({"state": "database_unreachable"}, status=503)
        return Response({"state": "ready"})


def _answer(request: HttpRequest, status: int, code: str, message: str) -> HttpResponse:
    if request.path.startswith("/api/"):
        return JsonResponse({"code": code, "message": message, "reasons": []}, status=status)
    return render(request, "console/problem.html", {"message": message}, status=status)


def page_missing(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404 in the language of whoever asked: JSON below /api/, a page elsewhere."""
    return _answer(request, 404, "not_found", "There is nothing at this address.")


def page_refused(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403, likewise."""
    return _answer(request, 403, "permission_denied", "You may not see this page.")


def server_failed(request: HttpRequest) -> HttpResponse:
    """500, likewise; the traceback is in the server's log."""
    message = "Slipway failed here. The server's log has the details; what you did was not saved."
    return _answer(request, 500, "server_error", message)
