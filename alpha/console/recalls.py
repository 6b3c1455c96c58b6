"""The recall of one checkpoint: whom it served and where it is live, before anybody is told."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.urls import reverse

from alpha import exposure
from alpha.console.notices import SENDERS, MessageForm, message_of
from alpha.models import Notice
from alpha.services import notices
from infra.console.pages import Crumbs, Page
from infra.errors import NotFound
from releases.models import Checkpoint, Release


class RecallForm(MessageForm):
    """What everybody reads whom the checkpoint served."""


class RecallPage(Page):
    """Who was exposed since when, how often, and what a recall ends."""

    template_name = "alpha/recall.html"
    forms = {"recall": RecallForm}
    checkpoint: Checkpoint
    sent: Notice | None = None

    def load(self, **kwargs: Any) -> None:
        try:
            wanted = UUID(self.request.GET.get("checkpoint", ""))
        except ValueError:
            wanted = None
        found = Checkpoint.objects.filter(pk=wanted).first() if wanted else None
        if found is None:
            raise NotFound("no_such_checkpoint", "Choose a checkpoint on the page of notices.")
        self.checkpoint = found

    def heading(self) -> str:
        return f"Recall {self.checkpoint.name}"

    def crumbs(self) -> Crumbs:
        return [("Notices", reverse("console-notices")), (self.heading(), "")]

    def context(self) -> dict[str, Any]:
        exposed = exposure.exposed_to(self.checkpoint)
        live = Release.objects.filter(checkpoint=self.checkpoint, ended_at=None)
        recalled = exposure.notices().filter(checkpoint=self.checkpoint)
        return {
            "checkpoint": self.checkpoint,
            "exposed": exposed,
            "n_calls": sum(one.n_calls for one in exposed),
            "since": min((one.first_at for one in exposed), default=None),
            "live": live.select_related("stage__pipeline"),
            "recalled": recalled,
            "may_recall": self.actor.may(*SENDERS),
        }

    def do_recall(self, data: dict[str, Any]) -> str:
        self.sent = notices.recall(
            actor=self.actor, checkpoint=self.checkpoint, message=message_of(data)
        )
        n = self.sent.recipients.count()
        return f"Recalled: it is live nowhere, and {n} partner{'s' * (n != 1)} can read why."

    def after(self, name: str) -> str:
        if self.sent is None:
            return super().after(name)
        return reverse("console-notice", args=[self.sent.pk])
