"""Whatever a page can do, the API can do too, by the same service and thus with its refusals."""

from __future__ import annotations

from infra.api.authentication import HasRecentSignIn
from infra.console.pages import Page
from tests import actions

# A form sends files, shows what would come of them and imports them when confirmed. The API takes
# them with the request: it plans or imports them at once and keeps none.
_UPLOADS = {
    "ImportsPage.suite": "POST api/suites/<suite:name>/import/plan/",
    "ImportsPage.run": "POST api/runs/import/plan/",
    "ImportPage.confirm": "POST api/runs/import/",
    "ImportPage.drop": "",
}


def test_every_action_of_a_page_is_in_the_api() -> None:
    done, offered = actions.console_actions(), actions.api_actions()
    by_api = set().union(*offered.values())
    missing = {name: found - by_api for name, found in done.items() if found - by_api}
    assert len(done) > 100 and len(by_api) > 90
    assert not [name for name, found in done.items() if not found], "calls no service"
    assert set(missing) == set(_UPLOADS)
    assert {route for route in _UPLOADS.values() if route} <= set(offered)


def test_both_ask_for_a_recent_sign_in_before_the_same_decisions() -> None:
    asked = _asking_api()
    differing = [
        f"{page.__name__}.{name}"
        for page in _pages()
        for name in page.forms
        for service in actions.services(getattr(page, f"do_{name}"), page)
        if service in asked and (name in page.decisions) not in asked[service]
    ]
    assert sum(len(page.decisions) for page in _pages()) > 10
    assert not differing


def _pages() -> list[type[Page]]:
    found = {view for view in actions.views("console/").values() if issubclass(view, Page)}
    return sorted(found, key=lambda page: page.__name__)


def _asking_api() -> dict[str, set[bool]]:
    """By service, whether the resources that call it ask for a recent sign-in."""
    found: dict[str, set[bool]] = {}
    for view in actions.views("api/").values():
        asks = HasRecentSignIn in view.permission_classes
        for method in ("post", "put", "patch", "delete"):
            if hasattr(view, method):
                for service in actions.services(getattr(view, method), view):
                    found.setdefault(service, set()).add(asks)
    return found
