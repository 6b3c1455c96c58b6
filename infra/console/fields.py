"""Form fields that several pages share."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

from django import forms


def reason_field(label: str = "Reason", help_text: str = "") -> forms.CharField:
    """Why somebody does it; kept in the audit log."""
    widget = forms.Textarea(attrs={"rows": 2})
    return forms.CharField(label=label, max_length=2000, widget=widget, help_text=help_text)


def text_field(label: str, *, required: bool = True, rows: int = 4, **rest: Any) -> forms.CharField:
    widget = forms.Textarea(attrs={"rows": rows, "dir": "auto"})
    rest = {"max_length": 20_000, **rest}
    return forms.CharField(label=label, required=required, widget=widget, **rest)


def day_field(label: str, *, required: bool = False, help_text: str = "") -> forms.DateField:
    widget = forms.DateInput(attrs={"type": "date"})
    return forms.DateField(label=label, required=required, widget=widget, help_text=help_text)


class ManyFiles(forms.ClearableFileInput):
    """A field where several files are chosen at once."""

    allow_multiple_selected = True


class FilesField(forms.FileField):
    """One file or several; its value is the list of them."""

    widget = ManyFiles

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        """Each checked by itself."""
        given = data if isinstance(data, list | tuple) else [data]
        return [super(FilesField, self).clean(one, initial) for one in given or [None]]


def end_of(day: date | None) -> datetime | None:
    """The last second of that day in UTC; None stays None."""
    return None if day is None else datetime.combine(day, time(23, 59, 59), UTC)


class WhyForm(forms.Form):
    """A reason alone, for what needs nothing else."""

    reason = reason_field()


class RowWhyForm(WhyForm):
    """A reason for doing something to one row of the page."""

    id = forms.UUIDField(widget=forms.HiddenInput)


class NoForm(forms.Form):
    """Nothing to fill in."""
