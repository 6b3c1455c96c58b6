"""The terms that partners accept: every version, and who accepted it."""

from __future__ import annotations

from typing import Any

from django.db.models import Count
from django.urls import reverse

from alpha.console.forms import PublishTerms
from alpha.console.partners import MANAGERS
from alpha.models import Terms
from alpha.services import terms
from infra.console.pages import Crumbs, Page


class TermsPage(Page):
    """All versions; the newest is what a grant asks that names none."""

    template_name = "alpha/terms.html"
    title = "Terms"
    forms = {"publish": PublishTerms}

    def crumbs(self) -> Crumbs:
        return [("Partners", reverse("console-partners")), (self.title, "")]

    def context(self) -> dict[str, Any]:
        found = Terms.objects.select_related("published_by")
        return {
            "versions": found.annotate(n_partners=Count("acceptances__partner", distinct=True)),
            "may_manage": self.actor.may(*MANAGERS),
        }

    def do_publish(self, data: dict[str, Any]) -> str:
        made = terms.publish_terms(actor=self.actor, **data)
        return f"Terms {made.version} are published: partners read them on their pages."
