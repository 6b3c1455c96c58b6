"""The gateway's process."""

from __future__ import annotations

import gc

from infra.gateway_asgi import COLLECT_AFTER, spare_collections


def test_what_the_start_made_is_not_looked_through_again() -> None:
    before = gc.get_threshold()
    try:
        spare_collections()
        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold() == COLLECT_AFTER != before
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
