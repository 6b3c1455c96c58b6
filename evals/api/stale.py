"""What publishing makes stale, over the management API."""

from __future__ import annotations

from rest_framework import serializers


class MadeStaleOut(serializers.Serializer):
    """One open promotion, the gates whose outcome goes stale, and whose approval is void by it."""

    promotion = serializers.UUIDField()
    checkpoint = serializers.CharField()
    stage = serializers.CharField()
    gates = serializers.ListField(child=serializers.CharField())
    voided_approvals = serializers.ListField(child=serializers.CharField())
    sentence = serializers.CharField()
