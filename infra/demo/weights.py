"""Two checkpoints of one set of weights: the incumbent, and a better prompted candidate."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from openai import APIError, OpenAI

from infra import clock
from infra.demo import model_server
from infra.demo.cast import actor
from infra.errors import UpstreamError
from infra.storage import object_store
from releases.services.checkpoints import register_checkpoint

FAMILY, SIZE = "chat", "nano"
INCUMBENT, CANDIDATE = "chat-nano-1", "chat-nano-2"
ARTIFACT_KEY = "checkpoints/smollm2-135m-instruct"
MODEL_WAIT_S = 120
_FOLDER = Path(__file__).parent / "prompts"


def wait_for_model() -> str:
    """Until the model's server lists the model; UpstreamError after two minutes."""
    client = OpenAI(base_url=model_server.base_url(), api_key="none", max_retries=0, timeout=5)
    deadline = time.monotonic() + MODEL_WAIT_S
    while True:
        try:
            names = [model.id for model in client.models.list()]
            return f"{', '.join(names)} at {model_server.base_url()}"
        except APIError as error:
            if time.monotonic() > deadline:
                raise UpstreamError(
                    "model_away",
                    f"The model's server at {model_server.base_url()} does not answer: {error}. "
                    f"Its log is {settings.STATE_DIR / 'logs' / 'model.log'}.",
                    retryable=True,
                ) from error
            time.sleep(0.5)


def register() -> str:
    """Both checkpoints with deployment and price, their files verified in the object store."""
    address = _place_weights()
    for name, parent in ((INCUMBENT, ""), (CANDIDATE, INCUMBENT)):
        register_checkpoint(actor=actor("engineer"), document=_document(name, parent, address))
    return f"{INCUMBENT} and its child {CANDIDATE}, files verified at {address}"


def _document(name: str, parent: str, address: str) -> dict[str, Any]:
    serving = json.loads((_FOLDER / f"{_role(name)}.json").read_text(encoding="utf-8"))
    document = {
        "family": FAMILY,
        "size": SIZE,
        "name": name,
        "kind": "prompt" if parent else "sft",
        "artifact_uri": address,
        "serving": serving,
        "context_window": model_server.CONTEXT_TOKENS,
        "deployments": [
            {
                "base_url": model_server.base_url(),
                "upstream_model": model_server.CHECKPOINT_ID,
            }
        ],
        "prices": [
            {
                "currency": "USD",
                "input_micros_per_million": 20_000,
                "cached_input_micros_per_million": 10_000,
                "output_micros_per_million": 60_000,
                "effective_at": _price_date(),
            }
        ],
    }
    return document | ({"parent": parent} if parent else {})


def _price_date() -> str:
    # The first of the month, so that a repeated registration names the same price.
    return clock.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0).isoformat()


def _role(name: str) -> str:
    return "incumbent" if name == INCUMBENT else "candidate"


def _place_weights() -> str:
    """The address of the weights in this installation's object store, put there once."""
    source = model_server.weights()
    store, key = object_store(), f"{ARTIFACT_KEY}/{source.name}"
    if key not in set(store.keys(ARTIFACT_KEY)):
        parts = urlsplit(settings.ARTIFACTS)
        if parts.scheme == "file":
            _link(source, Path(parts.path) / key)
        else:
            store.put(key, source.read_bytes())
    return f"{settings.ARTIFACTS.rstrip('/')}/{ARTIFACT_KEY}"


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
