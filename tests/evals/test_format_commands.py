"""Suites and runs of other tools by the commands, through the database and back."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from evals import formats
from evals.models import Result, Run
from evals.selectors import suites as reads
from tests import builders as cast
from tests.evals.formats.canonical import canonical, suites
from tests.evals.formats.test_promptfoo_results import RECORDED

pytestmark = pytest.mark.django_db


def told(*words: str) -> Any:
    out = io.StringIO()
    call_command(*words, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_suite_goes_through_the_database_and_other_tools_files_unchanged(tmp_path: Path) -> None:
    cast.cast()
    formats.write("promptfoo", suites()["every_field"], tmp_path / "in.yaml")
    made = told("suite", "import", "promptfoo", str(tmp_path / "in.yaml"), "--name", "every_field",
                "--by", "eval_owner")  # fmt: skip
    assert (made["n_cases"], made["not_expressible"]) == (2, [])
    assert made["components"] == ["form", "geo.asia", "geo.europe"]
    first = reads.spec_of(reads.version_named("every_field"))
    for name in ("promptfoo", "openai-evals"):
        path = str(tmp_path / name)
        lost = told("suite", "export", "every_field", name, path)["not_expressible"]
        assert any(sentence.startswith("components") for sentence in lost)
        assert canonical(formats.read(name, Path(path))) == canonical(first)
        again = told("suite", "import", name, path, "--name", "every_field", "--by", "eval_owner")
        assert (again["version"], again["is_new"]) == (1, False)


def test_results_join_the_suite_that_their_config_became() -> None:
    cast.cast()
    cast.checkpoint("chat-nano-1")
    words = ("promptfoo", str(RECORDED), "--name", "capitals", "--by", "eval_owner")
    suite = told("suite", "import", *words)
    assert suite["n_cases"] == 12
    assert any("assert javascript" in sentence for sentence in suite["not_expressible"])
    words = ("run", "import", "promptfoo", str(RECORDED / "results.json"), "--checkpoint",
             "chat-nano-1", "--suite", "capitals-results", "--by", "eval_owner")  # fmt: skip
    plan = told(*words, "--plan")
    assert (plan["makes_suite"], Run.objects.exists()) == (True, False)
    run = told(*words)
    assert run["state"] == "completed"
    assert plan["n_results"] == Result.objects.exclude(error_code="not_in_log").count()
    assert plan["not_expressible"] == run["not_expressible"]
    assert told(*words, "--plan")["makes_suite"] is False
