"""What is live in a stage for one size always adds up to 100 percent, at every commit."""

from __future__ import annotations

from django.db import migrations

CHECK = """
CREATE FUNCTION slipway_shares_sum() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    total integer;
BEGIN
    SELECT sum(share) INTO total FROM release
    WHERE stage_id = NEW.stage_id AND family_id = NEW.family_id AND size = NEW.size
        AND ended_at IS NULL;
    IF total IS NOT NULL AND total <> 100 THEN
        RAISE EXCEPTION 'the shares of % in stage % add up to % percent, not 100',
            NEW.size, NEW.stage_id, total USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER release_shares_sum AFTER INSERT OR UPDATE ON release
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION slipway_shares_sum();
INSERT INTO share_change (id, release_id, arm, share, at)
    SELECT gen_random_uuid(), id, arm, share, started_at FROM release;
"""
FORGET = """
DROP TRIGGER release_shares_sum ON release;
DROP FUNCTION slipway_shares_sum();
"""


class Migration(migrations.Migration):
    dependencies = [("releases", "0004_controls_and_rollouts")]
    operations = [migrations.RunSQL(CHECK, FORGET)]
