"""The console's menu: pages that people live in, then the records behind them."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

PAGES: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "",
        (
            ("Brief", "wb_twilight", "admin:index"),
            ("Board", "view_kanban", "console-board"),
            ("Promotions", "rule", "console-promotions"),
            ("Stop the line", "front_hand", "console-line"),
            ("Checkpoints", "deployed_code", "console-checkpoints"),
            ("Forecasts", "target", "console-forecasts"),
        ),
    ),
    (
        "Evals",
        (
            ("Compare", "difference", "console-compare"),
            ("Suites", "checklist", "console-suites"),
            ("Frontier", "trending_up", "console-frontier"),
            ("Runs", "play_circle", "console-runs"),
            ("Replays", "replay", "console-replays"),
            ("Judges", "balance", "console-judges"),
            ("Import", "upload_file", "console-imports"),
            ("Training rows", "model_training", "console-training"),
        ),
    ),
    (
        "Alpha",
        (
            ("Feedback", "forum", "console-feedback"),
            ("Findings", "troubleshoot", "console-findings"),
            ("Probes", "science", "console-probes"),
            ("Side by side", "compare", "console-preferences"),
            ("Partners & keys", "handshake", "console-partners"),
            ("Calls", "swap_horiz", "console-calls"),
            ("Notices", "campaign", "console-notices"),
        ),
    ),
    (
        "Trace",
        (
            ("Audit", "history", "console-audit"),
            ("Look back", "manage_search", "console-history"),
            ("Lineage", "timeline", "console-lineage"),
            ("Invitations", "person_add", "console-invitations"),
            ("Sign-in locks", "lock", "console-sign-in-locks"),
            ("Roles", "admin_panel_settings", "console-roles"),
            ("Service keys", "key", "console-service-keys"),
            ("Notifications", "notifications", "console-notifications"),
            ("Webhooks", "webhook", "console-webhooks"),
        ),
    ),
)
RECORDS: tuple[tuple[str, str, str], ...] = (
    ("Pipelines", "account_tree", "admin:releases_pipeline_changelist"),
    ("Deployments", "dns", "admin:releases_deployment_changelist"),
    ("Prices", "payments", "admin:releases_price_changelist"),
    ("Decision records", "gavel", "admin:releases_decisionrecord_changelist"),
    ("People", "group", "admin:infra_person_changelist"),
    ("Logins", "badge", "admin:infra_user_changelist"),
)


def menu_of(request: HttpRequest) -> list[dict[str, Any]]:
    """The menu's groups as django-unfold takes them."""
    groups = [*PAGES, ("Records", RECORDS)]
    return [{"title": title, "items": [_item(*item) for item in items]} for title, items in groups]


def _item(title: str, icon: str, route: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse(route)}
