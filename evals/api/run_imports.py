"""Runs that another tool made, over the management API."""

from __future__ import annotations

import base64
import binascii
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evals import formats
from evals.api.parameters import SUITE_NAME
from evals.api.runs import RunDetailOut
from evals.formats.results import RunLog
from evals.services import run_imports
from evals.services.runs import STARTERS
from infra.api.authentication import actor_of
from infra.api.bodies import checked
from infra.roles import Scope
from releases.selectors.checkpoints import checkpoint_named

MOST_FILES = 100
MOST_BYTES = 64 * 1024 * 1024
FILE_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,199}"


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
    """One file of a log."""

    name = serializers.RegexField(f"^{FILE_NAME}$")
    content = Base64Field()


class RunImportIn(serializers.Serializer):
    """The files of one log: a single file, or all of the folder that the format reads."""

    format = serializers.ChoiceField(formats.run_names())
    checkpoint = serializers.CharField(max_length=120)
    suite = serializers.RegexField(f"^{SUITE_NAME}$", required=False)
    files = FileIn(many=True, min_length=1, max_length=MOST_FILES)

    def validate_files(self, files: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """Each name once, all of them together no larger than a process can hold."""
        if len({file["name"] for file in files}) < len(files):
            raise serializers.ValidationError("two files have one name")
        if sum(len(file["content"]) for file in files) > MOST_BYTES:
            message = f"larger than {MOST_BYTES:,} bytes: use `manage.py run import`"
            raise serializers.ValidationError(message)
        return files


class RunImportedOut(serializers.Serializer):
    """The completed run; `is_new` false: this log was imported for the checkpoint already."""

    is_new = serializers.BooleanField()
    run = RunDetailOut()


class ImportRun(APIView):
    """Stores another tool's log as a completed run; idempotent by the log's content."""

    @extend_schema(request=RunImportIn, responses={200: RunImportedOut, 201: RunImportedOut})
    def post(self, request: Request) -> Response:
        actor = actor_of(request)
        actor.must("import eval runs", *STARTERS, scope=Scope.RUN)
        data = checked(RunImportIn, request.data)
        made = run_imports.import_run(
            actor=actor,
            log=log_of_files(data["format"], data["files"]),
            checkpoint=checkpoint_named(data["checkpoint"]),
            format_name=data["format"],
            suite=data.get("suite", ""),
        )
        body = {"is_new": made.is_new, "run": RunDetailOut(made.run).data}
        return Response(body, status=201 if made.is_new else 200)


def log_of_files(format_name: str, files: Sequence[Mapping[str, Any]]) -> RunLog:
    """The log read as the command reads it: one file by its path, several by their folder's."""
    with tempfile.TemporaryDirectory(prefix="slipway-log-") as name:
        folder = Path(name)
        for file in files:
            (folder / file["name"]).write_bytes(file["content"])
        path = folder / files[0]["name"] if len(files) == 1 else folder
        return formats.read_run(format_name, path)
