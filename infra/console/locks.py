"""Logins and addresses that failed sign-ins have locked, and lifting that."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings

from infra import lockouts
from infra.console.fields import reason_field
from infra.console.pages import Page, page_of
from infra.errors import NotFound
from infra.models import SignInFailures


class LiftForm(forms.Form):
    """Which lock, and why it is lifted."""

    id = forms.IntegerField(widget=forms.HiddenInput)
    reason = reason_field()


class LocksPage(Page):
    """What is locked now; an administrator opens it again."""

    template_name = "console/sign_in_locks.html"
    title = "Sign-in locks"
    forms = {"lift": LiftForm}

    def context(self) -> dict[str, Any]:
        return {
            "rows": page_of(self.request, lockouts.locks()),
            "may_lift": self.actor.is_administrator,
            "after": settings.LOCKOUT_AFTER,
            "address_after": settings.LOCKOUT_ADDRESS_AFTER,
            "minutes": settings.LOCKOUT_S // 60,
        }

    def do_lift(self, data: dict[str, Any]) -> str:
        row = SignInFailures.objects.filter(pk=data["id"]).first()
        if row is None:
            raise NotFound("no_such_lock", "There is no such lock: it has ended already.")
        lockouts.lift_lock(
            actor=self.actor, kind=row.kind, subject=row.subject, reason=data["reason"]
        )
        return f"{str(row).capitalize()} may try again now."
