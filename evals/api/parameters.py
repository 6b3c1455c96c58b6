"""Names of suites in paths and queries."""

from __future__ import annotations

from django.urls import register_converter
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

SUITE_NAME = "[a-z0-9][a-z0-9_-]{0,79}"
SUITE_REFERENCE = f"^{SUITE_NAME}(@[0-9]{{1,9}})?$"


class SuiteName:
    """`<suite:name>`: what an import accepts as a name, nothing else."""

    regex = SUITE_NAME

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(SuiteName, "suite")

NAME = OpenApiParameter(
    "name", {"type": "string", "pattern": f"^{SUITE_NAME}$"}, OpenApiParameter.PATH
)
REFERENCE = OpenApiParameter(
    "suite",
    {"type": "string", "pattern": SUITE_REFERENCE},
    required=True,
    description="`sql`: the newest published version; `sql@7`: that one.",
)


def suite_reference() -> serializers.RegexField:
    """`sql` or `sql@7`."""
    return serializers.RegexField(SUITE_REFERENCE, max_length=90)
