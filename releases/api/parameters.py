"""A checkpoint's name as a part of a path."""

from __future__ import annotations

from django.urls import register_converter
from drf_spectacular.utils import OpenApiParameter

from releases.registration import NAME_PATTERN


class CheckpointName:
    """`<checkpoint:name>`: what registration accepts as a name, nothing else."""

    regex = NAME_PATTERN

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(CheckpointName, "checkpoint")

NAME = OpenApiParameter(
    "name", {"type": "string", "pattern": f"^{NAME_PATTERN}$"}, OpenApiParameter.PATH
)
