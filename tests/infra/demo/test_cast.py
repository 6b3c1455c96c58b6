"""The first logins and keys of an embedded installation."""

from __future__ import annotations

import pytest

from alpha.models import PartnerLogin
from alpha.services import partner_logins
from infra.demo.cast import bootstrap

pytestmark = pytest.mark.django_db


def test_the_partner_has_somebody_who_signs_in_and_is_made_once() -> None:
    first, again = bootstrap(), bootstrap()
    assert first["partner_login"] == again["partner_login"]
    login = partner_logins.sign_in(**again["partner_login"], address="203.0.113.9")
    assert login == PartnerLogin.objects.get() and login.partner.name == "demo-partner"
