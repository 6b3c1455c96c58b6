"""A family beside the demo's, served by an upstream that the test counts the calls of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infra.embedded.processes import wait_until
from tests.alpha.gateway.upstream import NAME
from tests.walk.product import Product

CHECKPOINT = "side-nano-1"
CODENAME = "pebble-alpha"
UNGRANTED = "granite-alpha"
SUITE = "side"
N_CASES = 60
LIVE_WITHIN_S = 60.0
PIPELINE = f"""
kind: Pipeline
name: side
family: side
stages:
  - name: granted
    codenames: {{nano: {CODENAME}}}
    on_promote: keep
    gates: [{{kind: artifact}}]
    approvals: {{required: 0}}
  - name: ungranted
    codenames: {{nano: {UNGRANTED}}}
    on_promote: keep
    gates: [{{kind: artifact}}]
    approvals: {{required: 0}}
"""
HEAD = f"""
kind: Suite
name: {SUITE}
description: Says hello.
components: {{hello: says hello}}
graders: [{{type: string_check, operation: eq}}]
request: {{max_tokens: 16}}
"""


def chat(**fields: Any) -> dict[str, Any]:
    """A body that this family's codename answers."""
    messages = [{"role": "user", "content": "Say hello to me"}]
    return {"model": CODENAME, "messages": messages, **fields}


def make_side(product: Product, upstream_url: str) -> None:
    """Registered, live in two stages, granted in the first, with a suite of its own."""
    folder = product.state / "side"
    folder.mkdir()
    places = (f"side/{stage}" for stage in ("granted", "ungranted"))
    product.manage_each(
        _registration(upstream_url, folder),
        _application(folder),
        *(_request(place) for place in places),
        ("grant", "create", "side/granted", "--partner", "demo-partner", "--terms", "2026-01")
        + ("--accepted-by", "Dana", "--by", "partner_manager"),
        _import(folder),
    )
    assert wait_until(lambda: _n_live(product) == 2, timeout_s=LIVE_WITHIN_S), product.said()


def _registration(upstream_url: str, folder: Path) -> tuple[str, ...]:
    weights, document = folder / "weights", folder / "checkpoint.json"
    weights.mkdir()
    _write(weights / "weights.bin", "not many weights")
    told = {
        "family": "side",
        "size": "nano",
        "name": CHECKPOINT,
        "kind": "sft",
        "artifact_uri": f"file://{weights}",
        "serving": {"system_prompt": "You are brief.", "sampling": {"temperature": 0}},
        "context_window": 2048,
        "deployments": [{"base_url": upstream_url, "upstream_model": NAME}],
    }
    _write(document, json.dumps(told))
    return ("checkpoint", "register", str(document), "--by", "engineer")


def _application(folder: Path) -> tuple[str, ...]:
    _write(folder / "pipeline.yaml", PIPELINE)
    return ("apply", "-f", str(folder / "pipeline.yaml"), "--by", "release_manager")


def _request(place: str) -> tuple[str, ...]:
    asked = ("promotion", "request", CHECKPOINT, place)
    return (*asked, "--reason", "To be called.", "--by", "engineer")


def _import(folder: Path) -> tuple[str, ...]:
    cases = [
        {
            "id": f"hello-{number:03d}",
            "input": [{"role": "user", "content": f"Say hello, number {number}"}],
            "target": "Hello there!",
            "components": ["hello"],
        }
        for number in range(N_CASES)
    ]
    (folder / "suite").mkdir()
    _write(folder / "suite" / "suite.yaml", HEAD)
    _write(folder / "suite" / "cases.jsonl", "".join(json.dumps(case) + "\n" for case in cases))
    imported = ("suite", "import", "slipway", str(folder / "suite"))
    return (*imported, "--name", SUITE, "--by", "eval_owner")


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _n_live(product: Product) -> int:
    return int(
        product.value(
            "SELECT count(*) FROM release r JOIN checkpoint c ON c.id = r.checkpoint_id "
            "WHERE c.name = %s AND r.state = 'live'",
            CHECKPOINT,
        )
    )
