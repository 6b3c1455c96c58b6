"""What has to be done to alpha's tables from time to time."""

from __future__ import annotations

from datetime import date, timedelta

from django.db import connection

from infra import clock

MONTHS_AHEAD = 2


def ensure_partitions() -> list[date]:
    """Make the usage table's partitions of this month and the next ones; those newly made."""
    first, made = clock.now().date().replace(day=1), []
    with connection.cursor() as cursor:
        for _ in range(MONTHS_AHEAD + 1):
            cursor.execute("SELECT slipway_ensure_usage_partition(%s)", [first])
            if cursor.fetchone()[0]:
                made.append(first)
            first = (first + timedelta(days=32)).replace(day=1)
    return made
