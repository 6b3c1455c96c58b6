"""What people fill in about partners and their access."""

from __future__ import annotations

from typing import Any

from django import forms

from alpha.models import Cohort
from infra.console.fields import RowWhyForm, day_field
from releases.models import Stage


class NewPartner(forms.Form):
    name = forms.CharField(max_length=80, help_text="Lower-case words with '-', such as acme-labs.")
    contact_email = forms.EmailField(label="Contact", max_length=254)


class NewCohort(forms.Form):
    name = forms.CharField(max_length=80, help_text="Such as design-partners.")


class NewKey(forms.Form):
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

    def clean_addresses(self) -> list[str]:
        return [part.strip() for part in self.cleaned_data["addresses"].split(",") if part.strip()]


class JoinCohort(forms.Form):
    cohort = forms.ModelChoiceField(Cohort.objects.none(), empty_label=None)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["cohort"].queryset = Cohort.objects.order_by("name")  # type: ignore[attr-defined]


class NewGrant(forms.Form):
    """Access to one stage; empty limits are no limits."""

    stage = forms.ModelChoiceField(Stage.objects.none(), empty_label=None)
    ends_on = day_field("Last day", help_text="Empty: until it is revoked.")
    requests_per_minute = forms.IntegerField(min_value=1, max_value=1_000_000, required=False)
    tokens_per_minute = forms.IntegerField(min_value=1, max_value=10**12, required=False)
    concurrent_requests = forms.IntegerField(min_value=1, max_value=100_000, required=False)
    tokens_per_day = forms.IntegerField(min_value=1, max_value=10**15, required=False)
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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stages = Stage.objects.filter(retired_at=None).select_related("pipeline")
        self.fields["stage"].queryset = stages  # type: ignore[attr-defined]


class CohortGrant(NewGrant):
    """The same for all partners of a cohort."""

    cohort = forms.ModelChoiceField(Cohort.objects.none(), empty_label=None)
    field_order = ("cohort",)

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
