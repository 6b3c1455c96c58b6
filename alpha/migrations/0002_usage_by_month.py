"""The usage table, partitioned by the month that each request id tells.

The application may not create tables, so partitions are made by a function of the owner's. Rows of
a month without a partition land in the default one: nothing is ever refused.
"""

from __future__ import annotations

from django.db import migrations

MAKE = """
CREATE TABLE usage_event (
    month date NOT NULL,
    request_id uuid NOT NULL,
    partner_id uuid NOT NULL,
    key_id uuid NOT NULL,
    grant_id uuid NOT NULL,
    unit varchar(32) NOT NULL,
    stage_id uuid NOT NULL,
    release_id uuid NOT NULL,
    checkpoint_id uuid NOT NULL,
    deployment_id uuid NOT NULL,
    arm varchar(20) NOT NULL,
    codename varchar(80) NOT NULL,
    endpoint varchar(40) NOT NULL,
    streamed boolean NOT NULL,
    state varchar(20) NOT NULL,
    http_status smallint NOT NULL,
    problem text NOT NULL,
    tokens_in bigint NOT NULL,
    tokens_out bigint NOT NULL,
    tokens_cached bigint NOT NULL,
    tokens_in_shown bigint NOT NULL,
    cost_micros bigint NOT NULL,
    currency varchar(3) NOT NULL,
    first_token_ms double precision NULL,
    total_ms double precision NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NULL,
    PRIMARY KEY (month, request_id),
    CONSTRAINT usage_event_month CHECK (extract(day FROM month) = 1)
) PARTITION BY RANGE (month);
-- One partner's usage, newest first.
CREATE INDEX usage_event_partner ON usage_event (partner_id, started_at DESC);
-- What one release served, newest first.
CREATE INDEX usage_event_release ON usage_event (release_id, started_at DESC);
CREATE TABLE usage_event_other PARTITION OF usage_event DEFAULT;
CREATE FUNCTION slipway_ensure_usage_partition(first_day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    from_day date := date_trunc('month', first_day)::date;
    partition text := 'usage_event_' || to_char(from_day, 'YYYY_MM');
BEGIN
    IF to_regclass('public.' || partition) IS NOT NULL THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT 1 FROM usage_event_other WHERE month = from_day) THEN
        RETURN false;
    END IF;
    EXECUTE format(
        'CREATE TABLE %I PARTITION OF usage_event FOR VALUES FROM (%L) TO (%L)',
        partition, from_day, (from_day + interval '1 month')::date
    );
    RETURN true;
END $$;
SELECT slipway_ensure_usage_partition(current_date);
SELECT slipway_ensure_usage_partition((current_date + interval '1 month')::date);
"""
DROP = """
DROP FUNCTION slipway_ensure_usage_partition(date);
DROP TABLE usage_event;
"""


class Migration(migrations.Migration):
    dependencies = [("alpha", "0001_access_usage_feedback")]
    operations = [migrations.RunSQL(MAKE, DROP)]
