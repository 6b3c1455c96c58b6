"""Every call that ends is noted for the counting of live traffic, in the same transaction.

A trigger, so that no writer of usage can forget it. A call that its gateway did not live to end
tells nothing of the checkpoint and is left out.
"""

from __future__ import annotations

from django.db import migrations

MAKE = """
CREATE FUNCTION slipway_land_calls() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO landed_call (request_id, partner_id, release_id, unit, state, http_status,
            total_ms, cost_micros, started_at)
        SELECT request_id, partner_id, release_id, unit, state, http_status,
            total_ms, cost_micros, started_at
        FROM landed WHERE state <> 'aborted';
    RETURN NULL;
END $$;
CREATE TRIGGER usage_event_lands AFTER INSERT ON usage_event
    REFERENCING NEW TABLE AS landed FOR EACH STATEMENT EXECUTE FUNCTION slipway_land_calls();
"""
DROP = """
DROP TRIGGER usage_event_lands ON usage_event;
DROP FUNCTION slipway_land_calls();
"""


class Migration(migrations.Migration):
    dependencies = [("alpha", "0003_live_traffic_and_findings")]
    operations = [migrations.RunSQL(MAKE, DROP)]
