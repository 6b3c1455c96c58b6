"""Imports: files of other tools sent, what of them can be held, confirmed or dropped."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.messages import success, warning
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponseRedirect
from django.urls import reverse

from evals import formats
from evals.console.forms import runnable_checkpoints
from evals.formats.sent_files import MOST_BYTES, MOST_FILES, SentFile
from evals.models import Upload
from evals.services import drafts, runs, uploads
from evals.states import UploadKind
from infra.console.fields import FilesField, NoForm
from infra.console.pages import Crumbs, Page
from infra.errors import InvalidInput
from releases.models import Checkpoint

MEGABYTES = MOST_BYTES // 2**20
NAMES = {
    "bfcl": "Berkeley function calling (BFCL): questions and answers",
    "ifeval": "IFEval: input_data.jsonl",
    "inspect": "Inspect: an .eval or .json log",
    "lm-eval": "lm-evaluation-harness: results_*.json with samples_*.jsonl",
    "openai-evals": "OpenAI Evals API: eval, runs, rows, output items",
    "openai-registry": "openai/evals: registry YAML with its samples",
    "promptfoo": "promptfoo: config YAML, or results JSON",
    "slipway": "Slipway: suite.yaml and cases.jsonl",
}


class SendFiles(forms.Form):
    """Files of one tool."""

    format = forms.ChoiceField(label="Written by")
    files = FilesField(
        help_text=f"All that belong together: up to {MOST_FILES} files, {MEGABYTES} MB in all. "
        "Larger ones are read by manage.py."
    )
    main = forms.CharField(
        label="Begin with",
        required=False,
        max_length=500,
        help_text="A file's name, where several could be meant; out.json#MODEL for one of several.",
    )

    def clean_files(self) -> list[SentFile]:
        given: list[UploadedFile] = self.cleaned_data["files"]
        if sum(file.size or 0 for file in given) > MOST_BYTES:
            raise forms.ValidationError(f"More than {MEGABYTES} MB: use manage.py instead.")
        return [SentFile(name=file.name or "", content=file.read()) for file in given]


class SendSuite(SendFiles):
    """A suite under a name."""

    name = forms.CharField(
        label="Suite", max_length=80, help_text="A new name, or the suite of which it is the next."
    )
    field_order = ("format", "files", "name", "main")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["format"].choices = _choices(formats.names())  # type: ignore[attr-defined]


class SendRun(SendFiles):
    """Results of a checkpoint."""

    checkpoint = forms.ModelChoiceField(Checkpoint.objects.none(), empty_label=None)
    suite = forms.CharField(
        required=False, max_length=80, help_text="Empty: the name that the files say."
    )
    field_order = ("format", "files", "checkpoint", "suite", "main")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["format"].choices = _choices(formats.run_names())  # type: ignore[attr-defined]
        self.fields["checkpoint"].queryset = runnable_checkpoints()  # type: ignore[attr-defined]


def _choices(names: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(name, NAMES[name]) for name in names]


class ImportsPage(Page):
    """Sends files; lists what waits to be confirmed."""

    template_name = "evals/imports.html"
    title = "Import"
    forms = {"suite": SendSuite, "run": SendRun}

    def crumbs(self) -> Crumbs:
        return [("Suites", reverse("console-suites")), (self.title, "")]

    def context(self) -> dict[str, Any]:
        return {
            "waiting": uploads.waiting(self.actor),
            "may_suite": self.actor.may(*drafts.EDITORS),
            "may_run": self.actor.may(*runs.STARTERS),
            "n_checkpoints": Checkpoint.objects.count(),
        }

    def do_suite(self, data: dict[str, Any]) -> HttpResponseRedirect:
        return _shown(
            uploads.send_suite(
                actor=self.actor,
                name=data["name"],
                format_name=data["format"],
                files=data["files"],
                main=data["main"],
            )
        )

    def do_run(self, data: dict[str, Any]) -> HttpResponseRedirect:
        return _shown(
            uploads.send_run(
                actor=self.actor,
                checkpoint=data["checkpoint"],
                format_name=data["format"],
                files=data["files"],
                suite=data["suite"],
                main=data["main"],
            )
        )


class ImportPage(Page):
    """What the files hold, and what can't be held, before anything is written."""

    template_name = "evals/import.html"
    forms = {"confirm": NoForm, "drop": NoForm}
    upload: Upload

    def load(self, **kwargs: Any) -> None:
        self.upload = uploads.upload_with_id(self.actor, kwargs["upload_id"])

    def heading(self) -> str:
        kind = "suite" if self.upload.kind == UploadKind.SUITE.value else "results of"
        return f"Import {kind} {self.upload.foreseen['suite']}"

    def crumbs(self) -> Crumbs:
        return [("Import", reverse("console-imports")), (self.heading(), "")]

    def context(self) -> dict[str, Any]:
        return {"upload": self.upload, "found": self.upload.foreseen}

    def do_confirm(self, data: dict[str, Any]) -> HttpResponseRedirect:
        done = uploads.confirm(actor=self.actor, upload=self.upload)
        for stale in done.stale:
            warning(self.request, f"Stale by it: {stale.sentence}")
        if done.run is not None:
            said = "Imported." if done.is_new else "This log was imported before: nothing is new."
            success(self.request, said)
            return HttpResponseRedirect(reverse("console-run", args=[done.run.pk]))
        if done.version is None:
            raise InvalidInput("nothing_imported", "The files hold neither a suite nor a log.")
        told = (
            f"Imported as {done.version}." if done.is_new else f"{done.version} holds it already."
        )
        success(self.request, told)
        return HttpResponseRedirect(reverse("console-suite", args=[done.version.suite.name]))

    def do_drop(self, data: dict[str, Any]) -> HttpResponseRedirect:
        uploads.drop(actor=self.actor, upload=self.upload)
        success(self.request, "The files are gone; nothing of them was imported.")
        return HttpResponseRedirect(reverse("console-imports"))


def _shown(made: Upload) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("console-import", args=[made.pk]))
