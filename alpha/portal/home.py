"""The first page of a partner's person: what waits, what can be called, how it goes."""

from __future__ import annotations

from typing import Any

from django import forms

from alpha.models import Grant
from alpha.portal.own import own_models, own_notices
from alpha.portal.pages import OwnPage
from alpha.services import terms
from alpha.usage_view import usage_view
from infra.errors import InvalidInput, NotFound


class AcceptForm(forms.Form):
    """That the terms were read and are accepted."""

    id = forms.UUIDField(widget=forms.HiddenInput)
    version = forms.CharField(max_length=40)
    agreed = forms.BooleanField(required=False)


class Home(OwnPage):
    template_name = "portal/home.html"
    title = "Overview"
    route = "partner-home"

    def context(self) -> dict[str, Any]:
        models = own_models(self.partner)
        return {
            "models": models,
            "waiting": {one.grant.pk: one for one in models if not one.is_accepted}.values(),
            "unread": list(own_notices(self.partner).filter(acknowledged_at=None)),
            **usage_view(self.partner),
        }


class OwnTerms(OwnPage):
    """The terms of one grant, in full, and the word of who reads them."""

    template_name = "portal/terms.html"
    title = "Terms"
    route = "partner-home"
    forms = {"accept": AcceptForm}

    def load(self, **kwargs: Any) -> None:
        waiting = [one for one in own_models(self.partner) if one.grant.pk == kwargs["grant_id"]]
        if not waiting:
            raise NotFound("no_such_grant", "There is no such access any more.")
        self.models = waiting

    def context(self) -> dict[str, Any]:
        first = self.models[0]
        return {
            "grant": first.grant,
            "names": [one.name for one in self.models],
            "is_accepted": first.is_accepted,
            "terms": terms.terms_asked(first.grant),
        }

    def do_accept(self, data: dict[str, Any]) -> str:
        if not data["agreed"]:
            raise InvalidInput("not_agreed", "Tick the box to accept the terms for your company.")
        grant = Grant.objects.get(pk=self.models[0].grant.pk)
        terms.accept_own_terms(login=self.login, grant=grant, version=data["version"])
        return "Accepted: your keys are let in within a second."
