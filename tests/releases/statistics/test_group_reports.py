import json
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from releases.statistics.group_reports import MAX_REPORTS, TOO_SHORT, group_reports

# Reports as testers write them, by what they are about.
THEMES = json.loads(Path(__file__).with_name("reports.json").read_text())
REPORTS = [text for texts in THEMES.values() for text in texts]
TRUTH = [theme for theme, texts in THEMES.items() for _ in texts]


def entropy(counts):
    n = sum(counts)
    return -sum(c / n * math.log(c / n) for c in counts)


def homogeneity(truth, labels):
    """1 when every group holds one theme only."""
    within = sum(
        labels.count(label)
        / len(labels)
        * entropy(Counter(t for t, at in zip(truth, labels, strict=True) if at == label).values())
        for label in set(labels)
    )
    return 1 - within / entropy(Counter(truth).values())


@pytest.mark.parametrize("by, floor", [("meaning", 0.9), ("letters", 0.9)])
def test_groups_are_pure_and_no_report_is_dropped(by, floor):
    labels = group_reports(REPORTS, by).labels
    assert homogeneity(TRUTH, labels) >= floor
    assert TOO_SHORT not in labels
    assert len(set(labels)) < len(REPORTS) / 3


def test_meaning_splits_less_than_letters():
    meaning, letters = (group_reports(REPORTS, by).labels for by in ("meaning", "letters"))
    assert len(THEMES) <= len(set(meaning)) < len(set(letters))


def test_labels_are_numbered_as_they_appear_and_do_not_hang_on_the_order():
    labels = group_reports(REPORTS).labels
    assert list(dict.fromkeys(labels)) == list(range(len(set(labels))))
    turned = group_reports(REPORTS[::-1]).labels[::-1]
    assert len(set(zip(labels, turned, strict=True))) == len(set(labels)) == len(set(turned))


@pytest.mark.parametrize("by", ["meaning", "letters"])
def test_texts_that_say_nothing_have_their_own_bucket(by):
    texts = ["", "   ", "slow", "!!", "a b", "🙂 🙂", "answers are slow", "\n"]
    labels = group_reports(texts, by).labels
    assert [texts[at] for at, label in enumerate(labels) if label != TOO_SHORT] == [
        "a b",
        "answers are slow",
    ]
    assert group_reports([], by).labels == ()
    assert group_reports(["only one report"], by).labels == (0,)


def test_a_report_sent_twice_is_one_group():
    assert group_reports(["the table is wrong"] * 3, "letters").labels == (0, 0, 0)


@pytest.mark.parametrize(
    "field, reports, by",
    [
        ("reports: ", "text", "letters"),
        ("reports[1]: ", ["a b", 3], "letters"),
        ("reports[0]: ", ["a \ud800"], "meaning"),
        ("reports[0]: ", ["x " * 10_001], "letters"),
        ("reports: ", ["a b"] * (MAX_REPORTS + 1), "letters"),
        ("by: ", ["a b"], "colour"),
        ("by: ", ["a b"], ["meaning"]),
    ],
)
def test_bad_input_is_refused_by_name(field, reports, by):
    with pytest.raises(ValueError) as refused:
        group_reports(reports, by)
    assert str(refused.value).startswith(field)


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_without_wordllama_one_sentence_says_what_to_do():
    code = (
        "import sys; sys.modules['wordllama'] = None\n"
        "from releases.statistics.__main__ import main\n"
        "import io\n"
        'source = io.StringIO(\'{"reports": ["a b", "c d"]}\')\n'
        "sys.exit(main(['group_reports'], source, sys.stdout, sys.stderr))"
    )
    done = run(code)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "by: grouping by meaning needs the package wordllama, which is not installed here; "
        "install requirements.txt, or group by letters\n"
    )


def test_the_weights_come_from_the_wheel_without_a_network_and_logging_stays():
    code = (
        "import logging, sys\n"
        "def deny(event, _):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo'):\n"
        "        raise OSError(event)\n"
        "sys.addaudithook(deny)\n"
        "from releases.statistics.group_reports import group_reports\n"
        "print(group_reports(['it is slow', 'wrong column']).labels)\n"
        "assert not logging.getLogger().handlers and logging.getLogger().level == logging.WARNING"
    )
    done = run(code)
    assert (done.stdout, done.stderr) == ("(0, 1)\n", "")


def test_only_grouping_by_meaning_loads_wordllama():
    code = (
        "import sys, pkgutil, importlib, releases.statistics as package\n"
        "names = [n for _, n, _ in pkgutil.walk_packages(package.__path__) if n != '__main__']\n"
        "[importlib.import_module(f'releases.statistics.{n}') for n in names]\n"
        "from releases.statistics.group_reports import group_reports\n"
        "group_reports(['it is slow', 'wrong column'], 'letters')\n"
        "sys.exit('wordllama' in sys.modules or 'tokenizers' in sys.modules)"
    )
    assert run(code).returncode == 0
