"""Files of other tools in the body of a request."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from evals.formats.sent_files import MOST_FILES, NAME, SentFile


@extend_schema_field({"type": "string", "format": "byte"})
class Base64Field(serializers.Field):
    """Bytes, as base64 with padding."""

    def to_internal_value(self, data: Any) -> bytes:
        """ValidationError for anything else."""
        if not isinstance(data, str):
            raise serializers.ValidationError("is no text: write the file's bytes as base64")
        try:
            return base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError) as error:
            raise serializers.ValidationError(f"is not base64: {error}") from error

    def to_representation(self, value: bytes) -> str:
        return base64.b64encode(value).decode()


class FileIn(serializers.Serializer):
    """One file."""

    name = serializers.RegexField(f"^{NAME}$")
    content = Base64Field()


class FilesIn(serializers.Serializer):
    """A single file, or all of the folder that the format reads."""

    files = FileIn(many=True, min_length=1, max_length=MOST_FILES)
    main = serializers.CharField(
        max_length=500,
        required=False,
        help_text="Which file to begin with; `out.json#PROVIDER` chooses one of several models.",
    )

    def validate_files(self, files: Sequence[Mapping[str, Any]]) -> list[SentFile]:
        """As the formats take them."""
        return [SentFile(name=file["name"], content=file["content"]) for file in files]
