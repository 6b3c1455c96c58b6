"""A release manager in the browser, and what the partner notices of it: only better answers."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import openai
from playwright.sync_api import Page, expect

from infra.demo.weights import CANDIDATE, INCUMBENT
from infra.embedded.processes import wait_until
from tests.walk.browser import Browser
from tests.walk.product import Product

EFFECTIVE_AFTER = timedelta(seconds=1)
STAGE = "closed-alpha"
TARGET = {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
LINEAGE = """
    SELECT k.input, k.target, f.comment, f.state FROM eval_case k
    JOIN feedback f ON f.id = k.feedback_id JOIN suite_version v ON v.id = k.version_id
    WHERE v.state = 'published' AND k.source = 'feedback'
"""


class Caller(threading.Thread):
    """A partner that calls the codename without a pause."""

    def __init__(self, product: Product) -> None:
        super().__init__(daemon=True)
        self._product, self._enough = product, threading.Event()
        self.codename = product.facts["codename"]
        self.ids: list[str] = []
        self.models: set[str] = set()

    def run(self) -> None:
        ask: dict[str, Any] = {
            "model": self.codename,
            "messages": [{"role": "user", "content": "Hello"}],
            "max_tokens": 1,
        }
        with self._product.sdk() as client:
            while not self._enough.is_set():
                try:
                    answer = client.chat.completions.create(**ask)
                except openai.InternalServerError as error:
                    # What a release that is rolled back was answering ends: "Try again".
                    assert error.code == "release_withdrawn", error
                    continue
                self.ids.append(answer.id.removeprefix("chatcmpl-"))
                self.models.add(answer.model)

    def await_more(self, n_calls: int) -> None:
        wanted = len(self.ids) + n_calls
        assert wait_until(lambda: len(self.ids) >= wanted, timeout_s=60), "the calls stopped"

    def finish(self) -> None:
        self._enough.set()
        self.join(60)

    def served(self) -> list[tuple[datetime, str]]:
        """When each call began, and which checkpoint its usage event names."""
        wait_until(lambda: len(self._events()) == len(self.ids), timeout_s=10)
        return self._events()

    def _events(self) -> list[tuple[datetime, str]]:
        return self._product.sql(
            "SELECT u.started_at, c.name FROM usage_event u JOIN checkpoint c "
            "ON c.id = u.checkpoint_id WHERE u.request_id = ANY(%s::uuid[]) ORDER BY 1",
            self.ids,
        )


@contextmanager
def calling(product: Product, before: str, after: str) -> Iterator[Caller]:
    """Calls all the while; a second after the change, at the latest, `after` serves every one."""
    caller = Caller(product)
    caller.start()
    caller.await_more(2)
    try:
        yield caller
        changed_at = _live_since(product, after)
        caller.await_more(1)
        assert wait_until(lambda: _now(product) > changed_at + 2 * EFFECTIVE_AFTER, timeout_s=10)
        caller.await_more(2)
    finally:
        caller.finish()
    assert caller.models == {caller.codename}
    served = caller.served()
    assert len(served) == len(caller.ids)
    assert {name for at, name in served if at < changed_at} == {before}
    assert {name for at, name in served if at >= changed_at + EFFECTIVE_AFTER} == {after}


def _live_since(product: Product, checkpoint: str) -> datetime:
    since: datetime | None = product.value(
        "SELECT r.started_at FROM release r JOIN checkpoint c ON c.id = r.checkpoint_id "
        "JOIN stage s ON s.id = r.stage_id "
        "WHERE c.name = %s AND s.name = %s AND r.ended_at IS NULL",
        checkpoint,
        STAGE,
    )
    assert since is not None, f"{checkpoint} is not live"
    return since


def _now(product: Product) -> datetime:
    return product.value("SELECT now()")


def test_an_approval_in_the_console_is_effective_in_a_second_and_so_is_a_roll_back(
    demo: Product, browser: Browser
) -> None:
    page = browser.sign_in("release_manager")
    _read_every_gate(page, demo)
    with calling(demo, before=INCUMBENT, after=CANDIDATE):
        page.locator("#vote-comment").fill("Better at tables, and nothing else is lost.")
        page.get_by_role("button", name="Approve", exact=True).click()
        expect(page.get_by_text(f"{CANDIDATE} is live")).to_be_visible()
    page.get_by_role("link", name="Stage", exact=True).click()
    with calling(demo, before=CANDIDATE, after=INCUMBENT):
        page.get_by_text(f"Roll back to {INCUMBENT}").click()
        page.get_by_label("Reason").and_(page.locator("#back-nano")).fill("Partners see refusals.")
        page.get_by_role("button", name="Roll back now").click()
        expect(page.get_by_text(f"{INCUMBENT} serves")).to_be_visible()
    assert browser.problems == []


def _read_every_gate(page: Page, product: Product) -> None:
    """Open the waiting promotion from the queue; each gate shows its sentence and its numbers."""
    promotion, state = product.promotion(CANDIDATE, STAGE)
    gates = product.gates(promotion)
    assert state == "waiting", gates
    page.get_by_role("link", name="Promotions", exact=True).first.click()
    page.get_by_role("link", name=CANDIDATE, exact=True).first.click()
    for gate, _, sentence, _ in gates:
        expect(page.locator(f"#gate-{gate}")).to_contain_text(sentence)
    measured = [sentence for gate, _, sentence, _ in gates if gate.startswith(("sql", "picks"))]
    assert len(measured) >= 3 and all(re.search(r"\d", sentence) for sentence in measured)


def test_who_asked_for_a_promotion_is_refused_when_approving_it(
    demo: Product, browser: Browser
) -> None:
    page = browser.sign_in("release_manager")
    page.get_by_role("link", name="Checkpoints", exact=True).first.click()
    page.get_by_role("link", name=INCUMBENT, exact=True).first.click()
    asking = page.locator("section").filter(has=page.get_by_text("Request a promotion"))
    asking.get_by_label("Into").select_option(label="chat/production")
    asking.get_by_label("Reason").fill("It has proved itself in the alpha.")
    asking.get_by_role("button", name="Request").click()
    page.get_by_role("button", name="Approve", exact=True).click()
    refusal = "requested this promotion: somebody else has to decide."
    expect(page.get_by_role("alert").get_by_text(refusal)).to_be_visible()
    promotion, state = demo.promotion(INCUMBENT, "production")
    assert state == "evaluating"
    assert demo.value("SELECT count(*) FROM approval WHERE promotion_id = %s", promotion) == 0


def test_both_remarks_are_bound_to_checkpoint_release_and_stage(demo: Product) -> None:
    rows = demo.sql(
        "SELECT f.thumbs_up, c.name, s.name, u.release_id = f.release_id, f.arm FROM feedback f "
        "JOIN usage_event u ON u.request_id = f.request_id JOIN checkpoint c "
        "ON c.id = f.checkpoint_id JOIN stage s ON s.id = f.stage_id"
    )
    kept = (INCUMBENT, STAGE, True, "incumbent")
    assert sorted(rows) == [(False, *kept), (True, *kept)]


def test_one_action_makes_a_remark_a_case_of_the_next_suite_version(
    demo: Product, browser: Browser
) -> None:
    before = demo.told("suite", "show", "instructions")
    page = browser.sign_in("eval_owner")
    page.get_by_role("link", name="Feedback", exact=True).first.click()
    page.get_by_role("link", name="It is kind of weird").click()
    making = page.locator("#make-case")
    making.get_by_label("Suite").select_option(label="instructions")
    making.get_by_label("What a good answer must satisfy").fill(json.dumps(TARGET))
    making.get_by_label("Publish the version at once").check()
    making.get_by_role("button", name="Add the case").click()
    page.get_by_role("link", name="The feedback it came from").click()
    expect(page.get_by_text("Cases made from it")).to_be_visible()
    after = demo.told("suite", "show", "instructions")
    assert after["version"] == before["version"] + 1
    assert after["n_cases"] == before["n_cases"] + 1
    asked, target, said, of = demo.sql(LINEAGE)[0]
    assert asked == [{"role": "user", "content": "List three colours, separated by commas."}]
    assert (target, said, of) == (TARGET, "It is kind of weird when I ask for a list.", "in_suite")
    assert browser.problems == []
