"""Inspect's logs, recorded by the real tool (`inspect_logs/tiny.py` says how)."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evals import formats
from evals.formats.contract import FormatError
from evals.formats.results import RunLog
from evals.models import Metric, Result
from evals.selectors.runs import stated_beside
from evals.services.run_imports import import_run
from infra.errors import InvalidInput
from tests import builders as shared
from tests.evals import builders

LOGS = Path(__file__).parent / "inspect_logs"


def log_of(name: str) -> RunLog:
    return formats.read_run("inspect", LOGS / name)


# Name, cases, results, repeats, and how many of the tool's numbers are means over cases.
RECORDED = [
    ("epochs.eval", 10, 20, 2, 4),
    ("groups.eval", 8, 8, 1, 4),
    ("talk.eval", 2, 2, 1, 1),
    ("talk-chunked.eval", 2, 2, 1, 1),
    ("errored.json", 8, 8, 1, 1),
    ("crashed.eval", 5, 5, 1, 0),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "n_cases", "n_results", "repeats", "n_means"), RECORDED)
def test_a_recorded_log_imports_with_its_counts_and_its_metrics(
    name: str, n_cases: int, n_results: int, repeats: int, n_means: int
) -> None:
    shared.cast()
    log = log_of(name)
    assert (len(log.suite.cases), len(log.results), log.repeats) == (n_cases, n_results, repeats)
    assert (log.model, log.tool) == ("mockllm/model", "inspect_ai 0.3.285")
    checkpoint = shared.checkpoint()
    run = import_run(actor=builders.DEMO, log=log, checkpoint=checkpoint, format_name="inspect").run
    assert (run.state, Result.objects.filter(run=run).count()) == ("completed", n_results)
    beside = [metric for metric in stated_beside(run) if metric.agrees is not None]
    assert len(beside) == n_means
    for metric in beside:
        assert metric.ours == pytest.approx(metric.stated, abs=1e-12), metric.name
    again = import_run(actor=builders.DEMO, log=log, checkpoint=checkpoint, format_name="inspect")
    assert not again.is_new


@pytest.mark.django_db
def test_letters_are_scores_and_nan_is_no_score() -> None:
    shared.cast()
    log = log_of("epochs.eval")
    graded = {result.case_id: result.components.get("graded") for result in log.results}
    scores = [share and share.score for share in map(graded.get, ["0", "q1", "q2", "q3", "q4"])]
    assert scores == [1.0, 0.0, 0.5, 0.0, None]
    run = import_run(
        actor=builders.DEMO, log=log, checkpoint=shared.checkpoint(), format_name="inspect"
    ).run
    assert Metric.objects.get(run=run, node="graded").n_cases == 8
    assert Metric.objects.get(run=run, node="match").n_cases == 10


def test_epochs_are_repeats() -> None:
    repeats = [result.repeat for result in log_of("epochs.eval").results]
    assert sorted(repeats) == [0] * 10 + [1] * 10


def test_groups_are_components_below_the_scorer() -> None:
    log = log_of("groups.eval")
    assert set(log.suite.components) == {"includes.topic.even", "includes.topic.odd"}
    named = {metric.name: (metric.value, metric.node) for metric in log.stated}
    assert named["includes/topic=odd"] == (0.75, "includes.topic.odd")
    assert named["includes/topic=all"] == (0.625, "")
    assert named["includes/stderr"][1] is None


def test_a_crashed_log_gives_what_was_flushed_and_names_the_rest() -> None:
    log = log_of("crashed.eval")
    assert "header.json" not in zipfile.ZipFile(LOGS / "crashed.eval").namelist()
    assert [result.state.value for result in log.results].count("errored") == 1
    assert "the log's status is 'started'" in log.not_expressible
    assert "3 samples that never ended: q5, q6, q7" in log.not_expressible


def test_a_sample_that_failed_is_errored_with_its_reason_and_never_a_zero() -> None:
    errored = [one for one in log_of("errored.json").results if one.state == "errored"]
    assert [(one.case_id, one.score, one.output) for one in errored] == [("q3", None, None)]
    assert "the tool broke" in errored[0].error_message


def test_whole_and_chunked_samples_are_the_same_log() -> None:
    whole, chunked = log_of("talk.eval"), log_of("talk-chunked.eval")
    names = zipfile.ZipFile(LOGS / "talk-chunked.eval").namelist()
    assert "samples/a/b_epoch_1/attachments/0.json" in names
    assert (whole.digest(), whole.stated) == (chunked.digest(), chunked.stated)


def test_messages_keep_roles_parts_and_long_texts() -> None:
    first, second = log_of("talk-chunked.eval").suite.cases
    assert [message["role"] for message in first.input] == ["system", "user"]
    text, image = first.input[1]["content"]
    assert text["text"].startswith("word word") and text["text"].endswith("1+1?")
    assert image["image_url"]["url"].startswith("data:image/png;base64,")
    assert (first.case_id, first.target, second.case_id) == ("a/b", ["2", "two"], "ünï")
    assert second.metadata["choices"] == ["4", "5"] and second.metadata["gap"] is None


def test_values_that_are_no_shares_are_named_and_not_scored() -> None:
    log = log_of("talk.eval")
    assert any("scores of wide outside 0..1, such as 7.0" in line for line in log.not_expressible)
    assert set(log.suite.components) == {"includes"}
    wide = next(metric for metric in log.stated if metric.name == "wide/mean")
    assert (wide.value, wide.node) == (5.0, None)


def test_the_suite_of_a_log_is_read_as_a_suite() -> None:
    suite = formats.read("inspect", LOGS / "epochs.eval")
    assert (suite.name, len(suite.cases)) == ("epochs", 10)
    assert suite.not_expressible
    with pytest.raises(InvalidInput, match="made by a run of Inspect"):
        formats.write("inspect", suite, LOGS / "never.eval")


def changed(change: Callable[[dict[str, Any]], object], folder: Path) -> Path:
    """The recorded JSON log after a change."""
    document = json.loads((LOGS / "errored.json").read_text())
    change(document)
    path = folder / "changed.json"
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda log: log.update(version=3), "changed.json, version: is a log of version 3"),
        (lambda log: log.pop("eval"), "lacks `version` and `eval`"),
        (lambda log: log.update(samples=[]), "holds no sample"),
        (lambda log: log.update(samples=[1]), "samples: is no list of objects"),
        (lambda log: log["samples"][0].pop("id"), "not shaped as Inspect's logs are: KeyError"),
        (lambda log: log["samples"][1].update(input=7), "samples.1.: input is neither text"),
        (lambda log: log["samples"][1].update(input=[{"role": "x"}]), "has the role 'x'"),
        (
            lambda log: log["samples"][1].update(
                input=[{"role": "user", "content": [{"type": "audio"}]}]
            ),
            "a part of type 'audio'",
        ),
        (lambda log: log["samples"][1].update(id="0"), "have one id as text"),
    ],
)
def test_a_json_log_that_is_wrong_is_refused_by_place(
    change: Any, expected: str, tmp_path: Path
) -> None:
    with pytest.raises(FormatError, match=expected):
        formats.read_run("inspect", changed(change, tmp_path))


@pytest.mark.parametrize("n_bytes", [1, 3, 100, 5_000, 13_400])
def test_an_archive_cut_short_is_refused(n_bytes: int, tmp_path: Path) -> None:
    path = tmp_path / "cut.eval"
    path.write_bytes((LOGS / "crashed.eval").read_bytes()[:n_bytes])
    with pytest.raises(FormatError, match="cut.eval"):
        formats.read_run("inspect", path)


def test_a_flipped_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "flipped.eval"
    shutil.copy(LOGS / "crashed.eval", path)
    content = bytearray(path.read_bytes())
    entry = zipfile.ZipFile(path).getinfo("samples/q1_epoch_1.json")
    content[entry.header_offset + 200] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"samples/q1_epoch_1.json: is damaged"):
        formats.read_run("inspect", path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"PK\x03\x04", b"\xff\xfe", b"null"])
def test_garbage_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "garbage.eval"
    path.write_bytes(content)
    with pytest.raises(FormatError, match="garbage.eval"):
        formats.read_run("inspect", path)


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.eval"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(FormatError, match=r"holds neither header.json nor _journal/start.json"):
        formats.read_run("inspect", path)
    with pytest.raises(FormatError, match="not found"):
        formats.read_run("inspect", tmp_path / "absent.eval")
    with pytest.raises(FormatError, match="is a folder"):
        formats.read_run("inspect", tmp_path)


def test_deflated_and_stored_entries_are_read_as_well(tmp_path: Path) -> None:
    document = json.loads((LOGS / "errored.json").read_text())
    path = tmp_path / "plain.eval"
    with zipfile.ZipFile(path, "w") as archive:
        header = {key: value for key, value in document.items() if key != "samples"}
        archive.writestr("header.json", json.dumps(header), zipfile.ZIP_DEFLATED)
        for sample in document["samples"]:
            name = f"samples/{sample['id']}_epoch_{sample['epoch']}.json"
            archive.writestr(name, json.dumps(sample), zipfile.ZIP_STORED)
    assert formats.read_run("inspect", path).digest() == log_of("errored.json").digest()
