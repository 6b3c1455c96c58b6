"""A partner at `/v1` with the stock SDK; the upstream plants its own marks in every answer."""

from __future__ import annotations

import json

import httpx2 as httpx
import openai
import pytest

from tests.alpha.gateway.upstream import MARKS, Upstream
from tests.walk.product import Product
from tests.walk.side import CHECKPOINT, CODENAME, UNGRANTED, chat


def test_the_stock_sdk_lists_completes_and_streams_under_the_codename(
    product: Product, side: Upstream
) -> None:
    with product.sdk() as client:
        assert CODENAME in [model.id for model in client.models.list()]
        whole = client.chat.completions.create(**chat())
        assert (whole.model, whole.choices[0].message.content) == (CODENAME, "Hello there!")
        chunks = list(client.chat.completions.create(**chat(stream=True)))
    assert {chunk.model for chunk in chunks} == {CODENAME}
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert said == "Hello there!"


def test_a_wrong_key_is_refused_by_401(product: Product, side: Upstream) -> None:
    right = product.facts["partner_key"]
    wrong = right[:-1] + ("a" if right[-1] != "a" else "b")
    for key in (wrong, "sk-nothing-of-ours"):
        with product.sdk(key) as client, pytest.raises(openai.AuthenticationError) as caught:
            client.chat.completions.create(**chat())
        assert caught.value.code == "invalid_api_key"


def test_an_ungranted_and_an_unknown_codename_are_refused_alike(
    product: Product, side: Upstream
) -> None:
    bodies = []
    with product.sdk() as client:
        assert UNGRANTED not in [model.id for model in client.models.list()]
        for codename in (UNGRANTED, "unheard-alpha"):
            with pytest.raises(openai.NotFoundError) as caught:
                client.chat.completions.create(**chat(model=codename))
            bodies.append(json.dumps(caught.value.body).replace(codename, "CODENAME"))
    assert bodies[0] == bodies[1]
    assert "model_not_found" in bodies[0]


def test_no_word_of_the_upstream_reaches_the_partner(product: Product, side: Upstream) -> None:
    host = side.url.removeprefix("http://").removesuffix("/v1")
    hidden = [mark.lower() for mark in (*MARKS, CHECKPOINT, host, "smollm2", "llama", "uvicorn")]
    headers = {"authorization": f"Bearer {product.facts['partner_key']}"}
    with httpx.Client(base_url=f"{product.url}/v1", headers=headers, timeout=30) as client:
        answers = [
            client.get("/models"),
            client.get(f"/models/{CODENAME}"),
            client.post("/chat/completions", json=chat()),
            client.post("/chat/completions", json=chat(stream=True)),
            client.post("/chat/completions", json=chat(model=UNGRANTED)),
            client.post("/chat/completions", json=chat(temperature="warm")),
            client.post("/chat/completions", content=b"{"),
        ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 404, 400, 400]
    for answer in answers:
        shown = f"{answer.headers.raw!r} {answer.text}".lower()
        assert [mark for mark in hidden if mark in shown] == [], shown
