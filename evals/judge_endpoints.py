"""The setting `SLIPWAY_JUDGE_ENDPOINTS`: models that graders may ask, and where each answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

VARIABLE = "SLIPWAY_JUDGE_ENDPOINTS"
MICROS: Mapping[str, Any] = {"type": "integer", "minimum": 0}
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "required": ["base_url"],
        "additionalProperties": False,
        "properties": {
            "base_url": {"type": "string", "pattern": r"^https?://\S+$"},
            "model": {"type": "string", "minLength": 1},
            "secret": {"type": "string", "pattern": r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:/.+)$"},
            "timeout_s": {"type": "number", "exclusiveMinimum": 0, "maximum": 3600},
            "structured": {"type": "boolean"},
            "price": {
                "type": "object",
                "required": ["input", "output"],
                "additionalProperties": False,
                "properties": {"input": MICROS, "cached_input": MICROS, "output": MICROS},
            },
        },
    },
}


def parse(setting: str) -> Mapping[str, Mapping[str, Any]]:
    """Entries by the model's name, from JSON, or from the YAML or JSON file that is named.

    ImproperlyConfigured tells what is wrong with which entry.
    """
    if not setting:
        return {}
    # Only where it is set: every process reads the settings, the gateway's workers too.
    import yaml
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    text = setting if setting.startswith("{") else _file(Path(setting))
    try:
        entries = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ImproperlyConfigured(f"{VARIABLE} is neither JSON nor YAML: {error}.") from error
    problem = best_match(Draft202012Validator(SCHEMA).iter_errors(entries))
    if problem is not None:
        raise ImproperlyConfigured(f"{VARIABLE}, {problem.json_path}: {problem.message}.")
    return dict(entries)


def _file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(
            f"{VARIABLE} is {str(path)!r}, which can't be read ({error}): write a JSON object that "
            "begins with '{', or the path of a YAML or JSON file."
        ) from error
