"""Mails and pasted texts: shown as they would be written down, then written down once."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from django import forms
from django.http import HttpResponse
from django.urls import reverse

from alpha.models import Partner
from alpha.received_mail import LIMIT_BYTES
from alpha.services import imports
from infra.console.pages import Crumbs, Page
from infra.errors import InvalidInput


class ShowMessage(forms.Form):
    """A mail as a file, or a text."""

    file = forms.FileField(label="Mail (.eml)", required=False)
    text = forms.CharField(
        label="Or its text",
        required=False,
        max_length=LIMIT_BYTES,
        widget=forms.Textarea(attrs={"rows": 6, "dir": "auto"}),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if bool(data.get("file")) == bool(data.get("text")):
            raise forms.ValidationError("Choose a file, or paste a text: one of the two.")
        if data.get("file") and data["file"].size > LIMIT_BYTES:
            raise forms.ValidationError(f"The file is larger than {LIMIT_BYTES:,} bytes.")
        return data


class KeepMessage(forms.Form):
    """What was shown, confirmed."""

    content = forms.CharField(widget=forms.HiddenInput, max_length=LIMIT_BYTES * 4 // 3 + 8)
    partner = forms.ModelChoiceField(Partner.objects.none(), empty_label="choose the partner")
    request_id = forms.UUIDField(
        label="Request id", required=False, help_text="Ties it to the exact call."
    )
    thumb = forms.ChoiceField(
        choices=[("", "not said"), ("up", "thumbs up"), ("down", "thumbs down")], required=False
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        open_partners = Partner.objects.filter(ended_at=None)
        self.fields["partner"].queryset = open_partners  # type: ignore[attr-defined]

    def clean_content(self) -> bytes:
        try:
            return base64.b64decode(self.cleaned_data["content"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise forms.ValidationError("Show the message again: it was changed.") from error


class FeedbackImportPage(Page):
    """Nothing is kept before the second button."""

    template_name = "alpha/feedback_import.html"
    title = "Write down a mail"
    forms = {"show": ShowMessage, "keep": KeepMessage}

    def crumbs(self) -> Crumbs:
        return [("Feedback", reverse("console-feedback")), (self.title, "")]

    def do_show(self, data: dict[str, Any]) -> HttpResponse:
        content = data["file"].read() if data["file"] else data["text"].encode()
        return self._previewed(content)

    def do_keep(self, data: dict[str, Any]) -> str:
        preview = imports.preview_import(
            actor=self.actor, content=data["content"], partner=data["partner"]
        )
        imports.import_feedback(
            actor=self.actor,
            partner=data["partner"],
            received=preview.received,
            request_id=data["request_id"],
            thumbs_up={"up": True, "down": False}.get(data["thumb"]),
        )
        return f"Written down for {data['partner']}."

    def after(self, name: str) -> str:
        return reverse("console-feedback")

    def shown(self, **options: Any) -> HttpResponse:
        """A refused confirmation shows the message again."""
        refused = (options.get("bound") or {}).get("keep")
        content = refused.cleaned_data.get("content") if refused is not None else None
        if content and "preview" not in options:
            try:
                preview = imports.preview_import(actor=self.actor, content=content)
            except InvalidInput as refusal:
                options["refusal"] = refusal
            else:
                options["preview"] = preview
        return super().shown(**options)

    def _previewed(self, content: bytes) -> HttpResponse:
        preview = imports.preview_import(actor=self.actor, content=content)
        initial = {
            "content": base64.b64encode(content).decode(),
            "partner": preview.partner,
            "request_id": preview.received.request_id if preview.is_bound else None,
        }
        keep = KeepMessage(auto_id="keep-%s", initial=initial)
        return super().shown(preview=preview, bound={"keep": keep})
