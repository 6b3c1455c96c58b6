"""Inputs that several of alpha's resources take."""

from __future__ import annotations

from rest_framework import serializers

MAX_INTEGER = 2**31 - 1
MAX_BIG_INTEGER = 2**63 - 1


class ReasonIn(serializers.Serializer):
    """Why; the auditor reads it."""

    reason = serializers.CharField(max_length=2000)
