"""One webhook's message: what was sent, and every call with its answer."""

from __future__ import annotations

import json
from typing import Any

from django.urls import reverse

from infra import webhooks
from infra.console.fields import WhyForm
from infra.console.pages import Crumbs, Page
from infra.models import WebhookDelivery


class DeliveryPage(Page):
    """Its body as it is signed, its calls newest first, and the way to send it again."""

    template_name = "console/delivery.html"
    forms = {"again": WhyForm}
    delivery: WebhookDelivery

    def load(self, **kwargs: Any) -> None:
        self.delivery = webhooks.delivery_with_id(kwargs["delivery_id"])

    def heading(self) -> str:
        return str(self.delivery)

    def crumbs(self) -> Crumbs:
        return [("Webhooks", reverse("console-webhooks")), (self.delivery.event, "")]

    def context(self) -> dict[str, Any]:
        return {
            "delivery": self.delivery,
            "message_id": f"msg_{self.delivery.pk.hex}",
            "body": json.loads(self.delivery.body),
            "behind": webhooks.waits_behind(self.delivery),
            "attempts": list(self.delivery.attempts.all()),
            "may_keep": self.actor.may(*webhooks.KEEPERS),
            "n_most": 1 + len(webhooks.WAITS_S),
        }

    def do_again(self, data: dict[str, Any]) -> str:
        webhooks.send_again(actor=self.actor, delivery=self.delivery, reason=data["reason"])
        return "It goes out again within seconds, under the same id."
