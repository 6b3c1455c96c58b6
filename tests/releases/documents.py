"""Registration documents and pipeline files with boring values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

FILES = {"weights.gguf": b"weights" * 100, "tokenizer/vocab.json": b"{}"}

PIPELINE = """\
kind: Pipeline
name: chat
family: chat
stages:
  - name: internal
    gates:
      - {kind: artifact}
  - name: closed-alpha
    after: {all: [{stage: internal, soak: 24h}]}
    codenames: {nano: quasar-alpha}
    gates:
      - {kind: eval_floor, suite: sql, node: sql.table, at_least: 0.6}
      - {kind: sign_off, role: behaviour-reviewer, question: "Does anything feel off?"}
    approvals: {required: 1, groups: [release-managers]}
"""


def artifact(folder: Path) -> Path:
    """A folder with the files of a checkpoint."""
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def checkpoint(artifact_uri: str, **fields: Any) -> dict[str, Any]:
    """A document that registers `chat-nano-1`."""
    return {
        "family": "chat",
        "size": "nano",
        "name": "chat-nano-1",
        "kind": "prompt",
        "artifact_uri": artifact_uri,
        "context_window": 2048,
        "serving": {"system_prompt": "Be brief.", "sampling": {"temperature": 0, "seed": 7}},
        **fields,
    }
