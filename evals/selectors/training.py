"""Reads over exports of training rows."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from evals.models import TrainingExport
from infra.errors import NotFound


def exports() -> QuerySet[TrainingExport]:
    """Newest first."""
    return TrainingExport.objects.select_related("made_by")


def export_with_id(export_id: UUID) -> TrainingExport:
    """That export; NotFound."""
    found = exports().filter(pk=export_id).first()
    if found is None:
        message = f"No training export {export_id}. `training list` shows all."
        raise NotFound("no_such_export", message)
    return found
