"""What people fill in about partners and their access."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from alpha.console.limit_forms import LimitFields
from alpha.models import Cohort
from alpha.services.terms import LONGEST_TEXT
from infra.console.fields import RowWhyForm, WhyForm, day_field, text_field
from releases.models import Stage


class NewPartner(forms.Form):
    name = forms.CharField(max_length=80, help_text="Lower-case words with '-', such as acme-labs.")
    contact_email = forms.EmailField(label="Contact", max_length=254)


class NewCohort(forms.Form):
    name = forms.CharField(max_length=80, help_text="Such as design-partners.")


class NewKey(LimitFields):
    """A key; its limits are beside those of its partner and grants."""

    name = forms.CharField(
        max_length=100, required=False, help_text="Where it is used, such as ci or laptop."
    )
    expires_on = day_field("Last day", help_text="Empty: it stays good until it is revoked.")
    addresses = forms.CharField(
        label="Allowed addresses",
        max_length=500,
        required=False,
        help_text="Addresses or networks, separated by commas. Empty: from anywhere.",
    )
    field_order = ("name", "expires_on", "addresses")

    def clean_addresses(self) -> list[str]:
        return [part.strip() for part in self.cleaned_data["addresses"].split(",") if part.strip()]


class RotateKey(forms.Form):
    """A successor, and how long both work."""

    id = forms.UUIDField(widget=forms.HiddenInput)
    overlap_hours = forms.IntegerField(min_value=0, max_value=720)


class JoinCohort(forms.Form):
    cohort = forms.ModelChoiceField(Cohort.objects.none(), empty_label=None)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["cohort"].queryset = Cohort.objects.order_by("name")  # type: ignore[attr-defined]


class NewGrant(LimitFields):
    """Access to one stage; empty limits are no limits."""

    stage = forms.ModelChoiceField(Stage.objects.none(), empty_label=None)
    ends_on = day_field("Last day", help_text="Empty: until it is revoked.")
    terms_version = forms.CharField(max_length=40, required=False)
    terms_accepted_by = forms.CharField(
        max_length=200, required=False, help_text="Who at the partner accepted them."
    )
    transcript_consent = forms.BooleanField(
        label="The partner consents to transcripts being kept", required=False
    )
    transcript_days = forms.IntegerField(
        label="Days to keep transcripts", min_value=1, max_value=365, initial=30
    )
    field_order: Sequence[str] = ("stage", "ends_on")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stages = Stage.objects.filter(retired_at=None).select_related("pipeline")
        self.fields["stage"].queryset = stages  # type: ignore[attr-defined]


class CohortGrant(NewGrant):
    """The same for all partners of a cohort."""

    cohort = forms.ModelChoiceField(Cohort.objects.none(), empty_label=None)
    field_order = ("cohort", "stage", "ends_on")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["cohort"].queryset = Cohort.objects.order_by("name")  # type: ignore[attr-defined]


class AcceptTerms(forms.Form):
    """Somebody at the partner accepted the terms of one grant."""

    id = forms.UUIDField()
    version = forms.CharField(max_length=40)
    accepted_by = forms.CharField(max_length=200)


class RevokeRow(RowWhyForm):
    """Ends one key or grant of the page."""


class CellGrant(NewGrant):
    """The same from a cell of the matrix, whose stage is known."""

    stage = None  # type: ignore[assignment]
    field_order = ("ends_on",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        forms.Form.__init__(self, *args, **kwargs)


class MoveEnd(RowWhyForm):
    """Another last day of one grant."""

    ends_on = day_field("Last day", help_text="Empty: until it is revoked.")
    field_order = ("ends_on", "reason")


class InvitePerson(forms.Form):
    """Whom the link is for."""

    email = forms.EmailField(label="E-mail address", max_length=254)
    days = forms.IntegerField(
        label="Days until the link expires", min_value=1, max_value=30, initial=7
    )


class KeyRight(WhyForm):
    """Whether a partner's people handle its keys."""

    may = forms.BooleanField(label="Its people issue, rotate and revoke keys", required=False)
    field_order = ("may", "reason")


class PublishTerms(forms.Form):
    """One version of the terms, in full."""

    version = forms.CharField(max_length=40, help_text="Such as 2026-1.")
    text = text_field("Text", rows=14, max_length=LONGEST_TEXT)
