"""The lifecycle of what is told to others. Pure."""

from __future__ import annotations

from enum import StrEnum


class DeliveryState(StrEnum):
    """One message to one endpoint."""

    PENDING = "pending"
    """Due now or at its next attempt."""
    DELIVERED = "delivered"
    FAILED = "failed"
    """Every attempt failed, or the endpoint was disabled; a person may send it again."""


DELIVERY_TRANSITIONS: dict[DeliveryState, frozenset[DeliveryState]] = {
    DeliveryState.PENDING: frozenset({DeliveryState.DELIVERED, DeliveryState.FAILED}),
    DeliveryState.FAILED: frozenset({DeliveryState.PENDING}),
    DeliveryState.DELIVERED: frozenset({DeliveryState.PENDING}),
}
