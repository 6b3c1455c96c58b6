"""Looks that leave no trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction


@contextmanager
def undone() -> Iterator[None]:
    """Whatever is written inside is taken back, and nothing that waits for a commit is sent.

    Evidence is gathered as ever: a comparison that has to be made for it is not kept.
    """
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
