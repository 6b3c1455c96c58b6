"""What the demo leaves behind."""

from __future__ import annotations

from typing import Any

import httpx2 as httpx

from infra.demo.weights import CANDIDATE, INCUMBENT
from tests.walk.product import Product


def test_the_demo_ends_with_a_judged_promotion_in_ten_minutes(
    demo: Product, times: dict[str, float]
) -> None:
    times["demo done after the start"] = demo.demo_s
    assert demo.demo_s < 600
    promotion, state = demo.promotion(CANDIDATE, "closed-alpha")
    gates = demo.gates(promotion)
    assert len(gates) >= 5
    assert all(sentence for _, _, sentence, _ in gates)
    unmet = [gate for gate, outcome, _, shadow in gates if outcome != "pass" and not shadow]
    # Where a real model misses a gate, the promotion says so and waits for better evidence.
    assert state == ("evaluating" if unmet else "waiting"), gates


def test_every_demo_run_has_one_result_a_case(demo: Product) -> None:
    runs = demo.sql(
        "SELECT s.name, c.name, r.state, r.n_expected, (SELECT count(*) FROM eval_result e "
        "WHERE e.run_id = r.id), (SELECT m.mean FROM eval_metric m WHERE m.run_id = r.id "
        "AND m.node = '') FROM eval_run r JOIN suite_version v ON v.id = r.version_id "
        "JOIN suite s ON s.id = v.suite_id JOIN checkpoint c ON c.id = r.checkpoint_id "
        "WHERE s.name IN ('sql', 'instructions')"
    )
    assert {run[:3] for run in runs} == {
        (suite, name, "completed")
        for suite in ("sql", "instructions")
        for name in (INCUMBENT, CANDIDATE)
    }
    assert all(expected == found >= 40 for _, _, _, expected, found, _ in runs)
    assert all(0.0 < mean < 1.0 for *_, mean in runs), runs


def test_the_partner_reaches_the_codename_and_never_the_model(demo: Product) -> None:
    codename = demo.facts["codename"]
    with demo.sdk() as client:
        assert codename in [model.id for model in client.models.list()]
        whole = client.chat.completions.create(**_chat(codename))
        chunks = list(client.chat.completions.create(**_chat(codename), stream=True))
    assert whole.model == codename and whole.choices[0].message.content
    assert {chunk.model for chunk in chunks} == {codename} and len(chunks) > 3


def _chat(codename: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": "List three colours."}]
    return {"model": codename, "messages": messages, "max_tokens": 12}


def test_no_reply_names_the_checkpoint_or_its_upstream(demo: Product) -> None:
    codename = demo.facts["codename"]
    (upstream,) = demo.sql(
        "SELECT DISTINCT base_url FROM deployment d JOIN checkpoint c ON c.id = d.checkpoint_id "
        "WHERE c.name IN (%s, %s)",
        INCUMBENT,
        CANDIDATE,
    )[0]
    host = upstream.removeprefix("http://").removesuffix("/v1")
    hidden = [INCUMBENT, CANDIDATE, "smollm2", "llama", host]
    headers = {"authorization": f"Bearer {demo.facts['partner_key']}"}
    with httpx.Client(base_url=f"{demo.url}/v1", headers=headers, timeout=60) as client:
        answers = [
            client.get("/models"),
            client.post("/chat/completions", json=_chat(codename)),
            client.post("/chat/completions", json={**_chat(codename), "stream": True}),
            client.post("/chat/completions", json=_chat(CANDIDATE)),
            client.post("/chat/completions", json={**_chat(codename), "max_tokens": -4}),
        ]
    for answer in answers:
        shown = f"{answer.headers.raw!r} {answer.text}".replace(f"`{CANDIDATE}`", "").lower()
        assert [word for word in hidden if word in shown] == [], shown
