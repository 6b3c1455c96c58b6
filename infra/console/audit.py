"""The audit page: every change, who made it, and whether the chain is whole."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import Q, QuerySet

from infra import audit
from infra.console.fields import NoForm
from infra.console.pages import Page, page_of
from infra.models import AuditEntry


class AuditSearch(forms.Form):
    """What to look for; every field narrows the list."""

    who = forms.CharField(required=False, max_length=200, label="Who")
    what = forms.CharField(required=False, max_length=300, label="Object")
    action = forms.CharField(required=False, max_length=80, label="Action")


class AuditPage(Page):
    """The log, newest first, with its search; a form walks the whole chain."""

    template_name = "console/audit.html"
    title = "Audit"
    forms = {"check": NoForm}

    def context(self) -> dict[str, Any]:
        search = AuditSearch(self.request.GET, auto_id="search-%s")
        found = entries(search.cleaned_data) if search.is_valid() else AuditEntry.objects.none()
        return {"search": search, "rows": page_of(self.request, found)}

    def do_check(self, data: dict[str, Any]) -> Any:
        return self.shown(verification=audit.verify())


def entries(wanted: dict[str, str]) -> QuerySet[AuditEntry]:
    """Entries whose actor, object and action contain what was asked for."""
    found = AuditEntry.objects.order_by("-seq")
    if wanted.get("who"):
        found = found.filter(
            Q(actor_name__icontains=wanted["who"]) | Q(on_behalf_of__icontains=wanted["who"])
        )
    if wanted.get("what"):
        name = wanted["what"]
        found = found.filter(
            Q(object_name__icontains=name) | Q(object_id=name) | Q(object_type=name)
        )
    if wanted.get("action"):
        found = found.filter(action__icontains=wanted["action"])
    return found
