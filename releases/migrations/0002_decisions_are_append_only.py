"""Decision records are never changed, deleted or truncated, whatever the session is set to."""

from __future__ import annotations

from django.db import migrations

FORBID = """
CREATE TRIGGER decision_record_append_only BEFORE UPDATE OR DELETE ON decision_record
    FOR EACH ROW EXECUTE FUNCTION slipway_append_only();
CREATE TRIGGER decision_record_no_truncate BEFORE TRUNCATE ON decision_record
    FOR EACH STATEMENT EXECUTE FUNCTION slipway_append_only();
ALTER TABLE decision_record ENABLE ALWAYS TRIGGER decision_record_append_only;
ALTER TABLE decision_record ENABLE ALWAYS TRIGGER decision_record_no_truncate;
"""
ALLOW = """
DROP TRIGGER decision_record_append_only ON decision_record;
DROP TRIGGER decision_record_no_truncate ON decision_record;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("releases", "0001_checkpoints_to_releases"),
        ("infra", "0002_audit_is_append_only"),
    ]
    operations = [migrations.RunSQL(FORBID, ALLOW)]
