"""Webhooks: who is told, a test call, and how the last calls went."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpResponse

from infra import webhooks
from infra.console.fields import NoForm, RowWhyForm
from infra.console.pages import Page, page_of
from infra.delivery_states import DeliveryState
from infra.errors import NotFound, UpstreamError
from infra.models import WebhookEndpoint

SHOWN = 20


class NewEndpoint(forms.Form):
    """An address to tell, and where its secret stands."""

    name = forms.SlugField(max_length=80, help_text="Who listens, such as ops-chat.")
    url = forms.CharField(label="Address", max_length=500, help_text="https://…")
    secret_ref = forms.CharField(
        label="Where the secret stands",
        max_length=300,
        help_text="env:NAME or file:/path where Slipway runs. Slipway keeps no copy.",
    )


class RowForm(forms.Form):
    """One row of the page."""

    id = forms.UUIDField(widget=forms.HiddenInput)


class WebhooksPage(Page):
    """Addresses that are told, and what they were told; a new secret is shown once."""

    template_name = "console/webhooks.html"
    title = "Webhooks"
    forms = {
        "add": NewEndpoint,
        "secret": NoForm,
        "test": RowForm,
        "enable": RowWhyForm,
        "disable": RowWhyForm,
        "again": RowWhyForm,
    }

    def context(self) -> dict[str, Any]:
        endpoint, state = self._chosen("endpoint"), self._chosen("state")
        found = webhooks.deliveries(endpoint=endpoint, state=state)
        deliveries = page_of(self.request, found, SHOWN)
        return {
            "endpoints": webhooks.endpoints(),
            "states": list(DeliveryState),
            "chosen_endpoint": endpoint,
            "chosen_state": state,
            "deliveries": [(row, next(iter(row.attempts.all()), None)) for row in deliveries],
            "rows": deliveries,
            "may_keep": self.actor.may(*webhooks.KEEPERS),
        }

    def _chosen(self, name: str) -> str:
        """What the address says of `endpoint` or `state`; "" for what is unknown."""
        value = self.request.GET.get(name, "")
        known = list(DeliveryState) if name == "state" else _endpoint_names()
        return value if value in known else ""

    def do_add(self, data: dict[str, Any]) -> str:
        made = webhooks.add_endpoint(actor=self.actor, **data)
        return f"{made.name} is told from now on. Send a test call to see that it listens."

    def do_secret(self, data: dict[str, Any]) -> HttpResponse:
        self.actor.must("make webhook secrets", *webhooks.KEEPERS)
        answer = self.shown(secret=webhooks.new_secret())
        answer["Cache-Control"] = "no-store"
        return answer

    def do_test(self, data: dict[str, Any]) -> str:
        endpoint = _endpoint(data["id"])
        found = webhooks.send_test(actor=self.actor, endpoint=endpoint)
        attempt = found.attempts.all()[0]
        if found.state != DeliveryState.DELIVERED.value:
            message = f"{endpoint.name} did not take the test call. {attempt.problem}"
            raise UpstreamError("test_failed", message, retryable=True)
        return f"{endpoint.name} answered {attempt.status} in {attempt.duration_ms:,.0f} ms."

    def do_enable(self, data: dict[str, Any]) -> str:
        row = _switched(self, data, True)
        return f"{row.name} is told again."

    def do_disable(self, data: dict[str, Any]) -> str:
        row = _switched(self, data, False)
        return f"{row.name} is told no longer; what waits for it fails, and is kept."

    def do_again(self, data: dict[str, Any]) -> str:
        found = webhooks.delivery_with_id(data["id"])
        webhooks.send_again(actor=self.actor, delivery=found, reason=data["reason"])
        return f"{found} goes out again within seconds, under the same id."


def _endpoint_names() -> list[str]:
    return list(WebhookEndpoint.objects.values_list("name", flat=True))


def _switched(page: Page, data: dict[str, Any], enabled: bool) -> WebhookEndpoint:
    return webhooks.enable_endpoint(
        actor=page.actor, endpoint=_endpoint(data["id"]), enabled=enabled, reason=data["reason"]
    )


def _endpoint(pk: object) -> WebhookEndpoint:
    found = WebhookEndpoint.objects.filter(pk=pk).first()
    if found is None:
        raise NotFound("no_such_endpoint", "There is no such webhook endpoint.")
    return found
