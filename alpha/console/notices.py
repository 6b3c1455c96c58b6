"""Notices: what partners were told, and who acknowledged it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.urls import reverse

from alpha import exposure
from alpha.models import Notice
from alpha.services import notices
from alpha.services.notices import SUBJECT_LENGTH, TEXT_LENGTH, Message
from infra.console.fields import text_field
from infra.console.pages import Crumbs, Page, page_of
from infra.roles import Role
from releases.models import Checkpoint, Stage

_NEWEST = 200
SENDERS = (Role.PARTNER_MANAGER, Role.RELEASE_MANAGER)


class MessageForm(forms.Form):
    """A subject and a text, without the name of any checkpoint."""

    subject = forms.CharField(max_length=SUBJECT_LENGTH)
    text = text_field(
        "Text",
        max_length=TEXT_LENGTH,
        help_text="Partners know codenames alone: name no checkpoint.",
    )


class SendNotice(MessageForm):
    """To every partner with a grant to a stage."""

    stage = forms.ModelChoiceField(Stage.objects.none(), empty_label=None)
    field_order = ("stage", "subject", "text")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stages = Stage.objects.filter(retired_at=None).select_related("pipeline")
        self.fields["stage"].queryset = stages  # type: ignore[attr-defined]


class NoticesPage(Page):
    """Every notice, and the forms that send one."""

    template_name = "alpha/notices.html"
    title = "Notices"
    forms = {"send": SendNotice}
    sent: Notice | None = None

    def context(self) -> dict[str, Any]:
        may = self.actor.may(*SENDERS)
        return {
            "rows": page_of(self.request, exposure.notices()),
            "may_send": may and Stage.objects.filter(retired_at=None).exists(),
            "checkpoints": Checkpoint.objects.order_by("-registered_at")[:_NEWEST] if may else [],
        }

    def do_send(self, data: dict[str, Any]) -> str:
        self.sent = notices.send_notice(
            actor=self.actor, stage=data["stage"], message=message_of(data)
        )
        return f"Sent: {_partners(self.sent)} can read it at /v1/notices."

    def after(self, name: str) -> str:
        if self.sent is None:
            return super().after(name)
        return reverse("console-notice", args=[self.sent.pk])


class NoticePage(Page):
    """One notice: who got it, who acknowledged it, and what a recalled checkpoint served them."""

    template_name = "alpha/notice.html"
    notice: Notice

    def load(self, **kwargs: Any) -> None:
        self.notice = exposure.notice_of(kwargs["notice_id"])

    def heading(self) -> str:
        return self.notice.subject

    def crumbs(self) -> Crumbs:
        return [("Notices", reverse("console-notices")), (self.notice.subject, "")]

    def context(self) -> dict[str, Any]:
        return {"notice": self.notice, "told": exposure.told(self.notice)}


def message_of(data: dict[str, Any]) -> Message:
    return Message(subject=data["subject"], text=data["text"])


def _partners(notice: Notice) -> str:
    n = notice.recipients.count()
    return f"{n} partner{'s' * (n != 1)}"
