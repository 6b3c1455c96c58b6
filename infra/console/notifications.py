"""What the person was told, and how it chooses to be told."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings

from infra.console.fields import NoForm
from infra.console.pages import Page, page_of
from infra.errors import NotFound
from infra.models import Mail, Person
from infra.notifications import choices, mailing, morning, outbox
from infra.notifications.kinds import WAYS, Kind, Way

SHOWN = 30
WORDS = {
    Kind.DECISION: (
        "Somebody asks me",
        "Approvals, sign-offs, waivers and ramps waiting for me.",
    ),
    Kind.HALT: ("Something was stopped", "Halts, roll backs, rejections, and the line."),
    Kind.INCIDENT: ("Slipway stopped it", "Guardrails, changed identities, Slipway's own holds."),
    Kind.EXPIRY: ("Something ends soon", "Suites, keys, grants, waivers, and freezes ahead."),
    Kind.BRIEF: ("The morning Brief", "What changed, what waits and what is at risk."),
}
WAY_WORDS = {
    Way.AT_ONCE: "by e-mail at once",
    Way.IN_BRIEF: "in the morning Brief",
    Way.NEVER: "in the console only",
}
BRIEF_WORDS = {Way.IN_BRIEF: "by e-mail every morning", Way.NEVER: "never"}


class ChoiceForm(forms.Form):
    """One choice a kind."""

    def __init__(self, *args: Any, ways: choices.Ways, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for kind in Kind:
            label, help_text = WORDS[kind]
            words = BRIEF_WORDS if kind is Kind.BRIEF else WAY_WORDS
            self.fields[kind.value] = forms.ChoiceField(
                label=label,
                help_text=help_text,
                choices=[(way.value, words[way]) for way in WAYS[kind]],
                initial=ways[kind].value,
            )


class MailForm(forms.Form):
    """One of the person's mails."""

    id = forms.UUIDField(widget=forms.HiddenInput)


class NotificationsPage(Page):
    """Own notifications, newest first, beside own choices."""

    template_name = "console/notifications.html"
    title = "Notifications"
    forms = {"choose": ChoiceForm, "test": NoForm, "brief": NoForm, "again": MailForm}

    def form_options(self, name: str) -> dict[str, Any]:
        return {"ways": choices.ways_of(self._person.pk)} if name == "choose" else {}

    @property
    def _person(self) -> Person:
        return Person.objects.get(pk=self.actor.must_be_person("be told of anything"))

    def context(self) -> dict[str, Any]:
        return {
            "rows": page_of(self.request, outbox.told_to(self._person.pk), SHOWN),
            "address": self._person.email,
            "email_is_on": settings.EMAIL_IS_ON,
            "folder": settings.EMAIL_FILE_PATH,
            "brief_at": f"{settings.BRIEF_AT} {settings.BRIEF_ZONE}",
        }

    def do_choose(self, data: dict[str, Any]) -> str:
        ways = {Kind(kind): Way(way) for kind, way in data.items()}
        choices.choose_ways(actor=self.actor, ways=ways)
        return "Saved: you are told so from now on."

    def do_test(self, data: dict[str, Any]) -> str:
        return f"A test mail is on its way to {mailing.send_test(actor=self.actor)}."

    def do_brief(self, data: dict[str, Any]) -> str:
        row = morning.write_own(actor=self.actor)
        if row.sent_at is not None:
            return f"Today's Brief went to {row.address} already."
        return f"Today's Brief is on its way to {row.address}."

    def do_again(self, data: dict[str, Any]) -> str:
        found = Mail.objects.filter(pk=data["id"]).first()
        if found is None:
            raise NotFound("no_such_mail", "You have no such mail.")
        mailing.send_again(actor=self.actor, mail=found)
        return "It goes out again within seconds."
