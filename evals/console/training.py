"""Training rows: made of partners' corrections, with what was left out and why."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

from django.http import HttpResponseRedirect
from django.urls import reverse

from evals.console.training_forms import ExportForm
from evals.models import TrainingExport
from evals.selectors import training as reads
from evals.services import training, training_files, training_readiness, votes
from evals.services.corrections import Asked, matching
from evals.services.training import Wanted
from evals.training.contract import Split, TrainingKind
from infra.console.pages import Crumbs, Page, page_of
from infra.errors import InvalidMove, Reason


class TrainingPage(Page):
    """All exports, newest first, and the form that makes one."""

    template_name = "evals/training.html"
    title = "Training rows"
    forms = {"export": ExportForm}

    def context(self) -> dict[str, Any]:
        return {
            "rows": page_of(self.request, reads.exports(), 40),
            "n_corrections": matching(Asked()).count(),
            "n_votes": votes.matching(Asked()).count(),
            "may_export": self.actor.may(*training_files.EXPORTERS),
        }

    def do_export(self, data: dict[str, Any]) -> HttpResponseRedirect | str:
        since = data["since"]
        asked = Asked(
            partner=data["partner"].name if data["partner"] else "",
            checkpoint=data["checkpoint"].name if data["checkpoint"] else "",
            finding=data["finding"].pk if data["finding"] else None,
            since=datetime.combine(since, time.min, UTC) if since else None,
            with_cases=data["with_cases"],
            with_votes=data["with_votes"],
        )
        wanted = Wanted(
            kind=TrainingKind(data["kind"]),
            asked=asked,
            validation_share=data["validation_share"],
            seed=data["seed"],
            grader=data["grader"],
        )
        if data["check_only"]:
            return _checked(training_readiness.readiness(actor=self.actor, wanted=wanted))
        made = training.make_export(actor=self.actor, wanted=wanted)
        return HttpResponseRedirect(reverse("console-training-export", args=[made.pk]))


def _checked(found: training_readiness.Readiness) -> str:
    """What to say where nothing stands against it; InvalidMove with everything that does."""
    if found.notes:
        message = "Nothing was exported. This stands against it:"
        raise InvalidMove(
            "rft_not_ready",
            message,
            [Reason(code=note.concern.value, sentence=note.sentence) for note in found.notes],
        )
    n_train, n_validation = found.n_rows[Split.TRAIN], found.n_rows[Split.VALIDATION]
    return (
        f"Nothing stands against it: {n_train} items to train on and {n_validation} to validate "
        f"on, {found.n_tried} of them tried with the grader. Nothing was exported yet."
    )


class TrainingExportPage(Page):
    """One export: its files, its filter, and what became no row."""

    template_name = "evals/training_export.html"
    export: TrainingExport

    def load(self, **kwargs: Any) -> None:
        self.export = reads.export_with_id(kwargs["export_id"])

    def heading(self) -> str:
        return f"{self.export.kind.upper()} export"

    def crumbs(self) -> Crumbs:
        return [("Training rows", reverse("console-training")), (self.heading(), "")]

    def context(self) -> dict[str, Any]:
        left_out = {why.replace("_", " "): n for why, n in self.export.left_out.items()}
        names = (training_files.ORIGINS, training_files.MANIFEST)
        return {
            "export": self.export,
            "left_out": left_out,
            "others": names,
            "may_export": self.actor.may(*training_files.EXPORTERS),
            "sample": self.export.rows.order_by("split", "line")[:5],
        }
