"""A call that the gateway ended because access ended tells nothing of the checkpoint either."""

from __future__ import annotations

from django.db import migrations

LAND = """
CREATE OR REPLACE FUNCTION slipway_land_calls() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO landed_call (request_id, partner_id, release_id, unit, state, http_status,
            total_ms, cost_micros, started_at)
        SELECT request_id, partner_id, release_id, unit, state, http_status,
            total_ms, cost_micros, started_at
        FROM landed WHERE state NOT IN ({states});
    RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("alpha", "0004_calls_land_by_trigger")]
    operations = [
        migrations.RunSQL(
            LAND.format(states="'aborted', 'stopped'"), LAND.format(states="'aborted'")
        )
    ]
