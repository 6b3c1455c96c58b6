"""What every page of the console shares: who may see it, its forms, and how refusals show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.auth.views import redirect_to_login
from django.core.paginator import Page as PageOfRows
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.generic import View

from infra.actors import Actor
from infra.console import exports
from infra.errors import DomainError, InvalidInput, NotPermitted, Reason
from infra.people import actor_of_login
from infra.sign_ins import is_recent

Crumbs = list[tuple[str, str]]


class Page(View):
    """One page: `load` finds its subject, `context` what it shows, `do_NAME` does what a form asks.

    A form posts to the page's own address with its name in `do`. A refusal shows the same page
    again with every reason and what was typed.
    """

    template_name: ClassVar[str]
    title: ClassVar[str] = ""
    forms: ClassVar[Mapping[str, type[Form]]] = {}
    # Forms that decide something: they ask for the password when the sign-in is too old.
    decisions: ClassVar[frozenset[str]] = frozenset()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not admin.site.has_permission(request):
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        try:
            self.load(**kwargs)
            return super().dispatch(request, *args, **kwargs)
        except DomainError as error:
            problem = {"message": error.message, "reasons": error.reasons}
            return render(request, "console/problem.html", problem, status=error.http_status)

    @cached_property
    def actor(self) -> Actor:
        return actor_of_login(self.request.user)  # type: ignore[arg-type]

    def load(self, **kwargs: Any) -> None:
        """Find what the address names; a refusal, such as NotFound, is the whole page."""

    def heading(self) -> str:
        return self.title

    def crumbs(self) -> Crumbs:
        return [(self.heading(), "")]

    def context(self) -> dict[str, Any]:
        """What the template shows besides the shell."""
        return {}

    def form_options(self, name: str) -> dict[str, Any]:
        """Keyword arguments for the form called `name`."""
        return {}

    def form(
        self, name: str, data: Mapping[str, Any] | None = None, files: Any | None = None
    ) -> Form:
        options = self.form_options(name)
        return self.forms[name](data, files, auto_id=f"{name}-%s", **options)

    def shown(
        self,
        *,
        status: int = 200,
        refusal: DomainError | None = None,
        bound: Mapping[str, Form] | None = None,
        **extra: Any,
    ) -> HttpResponse:
        """The page, with a refusal and the form it was given to when there was one."""
        unbound = {name: self.form(name) for name in self.forms if name not in (bound or {})}
        context = {
            **admin.site.each_context(self.request),
            "title": self.heading(),
            "crumbs": self.crumbs(),
            "exports": True,
            "actor": self.actor,
            "forms": {**unbound, **(bound or {})},
            "refused": next(iter(bound or {}), ""),
            "refusal": refusal,
            **self.context(),
            **extra,
        }
        return render(self.request, self.template_name, context, status=status)

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        if exports.is_asked(request):
            kind, table = request.GET["format"], request.GET.get("table", "")
            return exports.answer(request, kind, table, lambda: self.shown().content.decode())
        return self.shown()

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        name = request.POST.get("do", "")
        if name not in self.forms:
            problem = InvalidInput("unknown_action", "This page has no such action: reload it.")
            return self.shown(status=400, refusal=problem)
        form = self.form(name, request.POST, request.FILES)
        try:
            self._must_be_fresh(name)
            self._must_be_valid(form)
            answer = getattr(self, f"do_{name}")(form.cleaned_data)
        except DomainError as refusal:
            self.load(**kwargs)
            bound = {name: form}
            return self.shown(status=refusal.http_status, refusal=refusal, bound=bound)
        if isinstance(answer, HttpResponseBase):
            return answer
        messages.success(request, answer)
        return HttpResponseRedirect(self.after(name))

    def after(self, name: str) -> str:
        """Where a form leads when it was done: back to its page."""
        return self.request.get_full_path()

    def _must_be_valid(self, form: Form) -> None:
        if form.is_valid():
            return
        reasons = [
            Reason(code="invalid_field", sentence=f"{_label(form, field)}: {error}")
            for field, errors in form.errors.items()
            for error in errors
        ]
        raise InvalidInput("invalid_input", "Nothing was changed.", reasons)

    def _must_be_fresh(self, name: str) -> None:
        if name in self.decisions and not is_recent(self.request):
            raise StaleSignIn(self.request.get_full_path())


class StaleSignIn(NotPermitted):
    """A decision needs a recent sign-in; `address` is where the password is asked."""

    def __init__(self, back: str) -> None:
        sentence = "Your sign-in is too old for a decision: confirm that it is you."
        super().__init__("stale_sign_in", sentence)
        self.back = back


def _label(form: Form, field: str) -> str:
    return str(form[field].label) if field in form.fields else "Form"


def page_of(
    request: HttpRequest, rows: QuerySet[Any] | Sequence[Any], size: int = 50, name: str = "page"
) -> PageOfRows:
    """The page of rows that `?page=` (or `name`) asks for; the nearest one when there is none."""
    size = exports.rows_at_once(request, size)
    return Paginator(rows, size).get_page(request.GET.get(name))
