"""What people fill in about suites, runs, comparisons and feedback."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from django import forms

from evals.caps import MOST, MOST_SECONDS, Caps
from evals.models import Run, Suite, SuiteVersion
from evals.selectors import runs
from evals.states import AuditFinding, VersionState
from infra.console.fields import WhyForm, day_field, reason_field, text_field
from releases.models import Checkpoint

NEWEST_RUNS = 100


def published_versions() -> Any:
    """Versions that a checkpoint can run on, the newest of each suite first; none of probes."""
    found = SuiteVersion.objects.filter(
        state=VersionState.PUBLISHED.value, suite__is_internal=False
    )
    return found.select_related("suite").order_by("suite__name", "-number")


def runnable_checkpoints() -> Any:
    return Checkpoint.objects.order_by("-registered_at")


class RunChoice(forms.ModelChoiceField):
    """A run by what it was and when."""

    def label_from_instance(self, run: Run) -> str:
        return f"{run.checkpoint.name} on {run.version}, {run.created_at:%Y-%m-%d %H:%M}"


class CappedForm(forms.Form):
    """How much a run may cost at most, in money, tokens and time."""

    most_cost = forms.DecimalField(
        label="Money at most",
        required=False,
        min_value=Decimal("0.000001"),
        max_value=Decimal(10**9),
        decimal_places=6,
        help_text="In the price's currency. The rest is skipped once it is spent.",
    )
    most_tokens = forms.IntegerField(
        label="Tokens at most", required=False, min_value=1, max_value=MOST
    )
    most_seconds = forms.IntegerField(
        label="Seconds at most", required=False, min_value=1, max_value=MOST_SECONDS
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        money = data.pop("most_cost", None)
        data["caps"] = Caps(
            most_cost_micros=None if money is None else int(money * 1_000_000),
            most_tokens=data.pop("most_tokens", None),
            most_seconds=data.pop("most_seconds", None),
        )
        return data


class StartRun(CappedForm):
    """A checkpoint on a suite's version."""

    field_order = ("version", "checkpoint", "repeats", "concurrency")

    version = forms.ModelChoiceField(SuiteVersion.objects.none(), empty_label=None, label="Suite")
    checkpoint = forms.ModelChoiceField(Checkpoint.objects.none(), empty_label=None)
    repeats = forms.IntegerField(min_value=1, max_value=100, initial=1)
    concurrency = forms.IntegerField(
        min_value=1, max_value=1024, initial=4, help_text="Calls at once."
    )
    stop_early_against = RunChoice(
        Run.objects.none(),
        label="Stop early against",
        required=False,
        empty_label="run to the end",
        help_text="Ends once every component is settled against that run.",
    )
    stop_margin = forms.FloatField(
        label="Margin in points for that",
        required=False,
        min_value=0,
        max_value=100,
        help_text="Empty: 2 points.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["version"].queryset = published_versions()  # type: ignore[attr-defined]
        self.fields["checkpoint"].queryset = runnable_checkpoints()  # type: ignore[attr-defined]
        newest = runs.completed().values_list("pk", flat=True)[:NEWEST_RUNS]
        choices = runs.completed().filter(pk__in=list(newest))
        self.fields["stop_early_against"].queryset = choices  # type: ignore[attr-defined]

    def clean_stop_margin(self) -> float | None:
        margin = self.cleaned_data["stop_margin"]
        return None if margin is None else margin / 100


class StartRunSet(forms.Form):
    """Checkpoints on suites' versions, under one name a line of nights."""

    name = forms.SlugField(max_length=80, initial="nightly")
    versions = forms.ModelMultipleChoiceField(SuiteVersion.objects.none(), label="Suites")
    checkpoints = forms.ModelMultipleChoiceField(Checkpoint.objects.none())
    baseline = forms.ModelChoiceField(
        Checkpoint.objects.none(), required=False, empty_label="each one's parent"
    )
    margin = forms.FloatField(
        label="Margin in points",
        min_value=0,
        max_value=100,
        initial=5,
        help_text="How much worse still counts as no worse.",
    )
    repeats = forms.IntegerField(min_value=1, max_value=100, initial=1)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["versions"].queryset = published_versions()  # type: ignore[attr-defined]
        for name in ("checkpoints", "baseline"):
            self.fields[name].queryset = runnable_checkpoints()  # type: ignore[attr-defined]

    def clean_margin(self) -> float:
        return self.cleaned_data["margin"] / 100


class RegradeForm(WhyForm):
    """A newer version, and whether its graders may ask their models."""

    version = forms.ModelChoiceField(SuiteVersion.objects.none(), empty_label=None)
    accept_calls = forms.BooleanField(label="Let graders call their models", required=False)
    field_order = ("version", "accept_calls", "reason")

    def __init__(self, *args: Any, versions: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["version"].queryset = versions  # type: ignore[attr-defined]


class CompareForm(forms.Form):
    """Two checkpoints on one suite."""

    suite = forms.ModelChoiceField(Suite.objects.none(), empty_label=None)
    candidate = forms.ModelChoiceField(Checkpoint.objects.none(), empty_label=None)
    baseline = forms.ModelChoiceField(Checkpoint.objects.none(), empty_label=None)
    margin = forms.FloatField(
        label="Margin in points",
        min_value=0,
        max_value=100,
        initial=5,
        help_text="How much worse still counts as no worse.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        tried = runnable_checkpoints().filter(runs__state="completed").distinct()
        done = Suite.objects.filter(is_internal=False, versions__runs__state="completed")
        suites = done.distinct()
        self.fields["suite"].queryset = suites  # type: ignore[attr-defined]
        for name in ("candidate", "baseline"):
            self.fields[name].queryset = tried  # type: ignore[attr-defined]
        # Two different ones from the start: comparing a checkpoint with itself says nothing.
        newest = [str(pk) for pk in tried.values_list("pk", flat=True)[:3]]
        for name, other in (("candidate", "baseline"), ("baseline", "candidate")):
            free = [pk for pk in newest if pk != self.initial.get(other)]
            self.initial.setdefault(name, free[0] if free else None)


class RenewForm(WhyForm):
    """A later review, and what was looked at."""

    review_by = day_field("Next review", required=True)


class AuditForm(WhyForm):
    """Whose fault a case's failures are."""

    case = forms.CharField(label="Case", max_length=200)
    finding = forms.ChoiceField(choices=[(f.value, f.value.capitalize()) for f in AuditFinding])


class FeedbackWhy(WhyForm):
    """Why feedback is put aside or taken up."""


class CaseForm(forms.Form):
    """A case of a suite's next version, made from feedback."""

    suite = forms.ModelChoiceField(Suite.objects.none(), empty_label=None)
    messages = text_field(
        "What is asked",
        rows=4,
        help_text="Text is one message of the user; a JSON list is a whole conversation.",
    )
    target = text_field(
        "What a good answer must satisfy",
        rows=4,
        help_text="In the form that the suite's other cases have: text, or JSON.",
    )
    components = forms.CharField(
        required=False,
        max_length=1000,
        help_text="Component labels, separated by commas. Empty: the suite's graders say.",
    )
    graders = text_field(
        "Graders of this case alone",
        required=False,
        rows=2,
        help_text="A JSON list, in addition to the suite's graders. Empty: the suite's alone.",
    )
    case_id = forms.CharField(label="Case id", required=False, max_length=200)
    publish = forms.BooleanField(label="Publish the version at once", required=False)
    keep_personal = forms.BooleanField(
        label="What looks like personal data is none", required=False
    )
    reason = reason_field("Why", "Kept with the feedback.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["suite"].queryset = Suite.objects.filter(  # type: ignore[attr-defined]
            is_internal=False, versions__state=VersionState.PUBLISHED.value
        ).distinct()

    def clean_messages(self) -> list[dict[str, Any]]:
        text = self.cleaned_data["messages"].strip()
        if not text.startswith("["):
            return [{"role": "user", "content": text}]
        found = _json(text, "What is asked")
        if not all(isinstance(message, dict) for message in found):
            raise forms.ValidationError("A conversation is a list of messages, each an object.")
        return found

    def clean_target(self) -> Any:
        text = self.cleaned_data["target"].strip()
        return _json(text, "The target") if text[:1] in "[{" else text

    def clean_components(self) -> list[str]:
        return [part.strip() for part in self.cleaned_data["components"].split(",") if part.strip()]

    def clean_graders(self) -> list[Any]:
        text = self.cleaned_data["graders"].strip()
        found = _json(text, "The list of graders") if text else []
        if not isinstance(found, list):
            raise forms.ValidationError("Graders are a JSON list of objects, each with a type.")
        return found


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise forms.ValidationError(f"{what} is no JSON ({where}): {error.msg}.") from error
