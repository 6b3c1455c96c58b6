"""Prompts and programs that stand for assertions of promptfoo."""

from __future__ import annotations

OUTPUT = "{{sample.output_text}}"
RUBRIC = (
    "Grade the output by the rubric. Give 1 when it meets the rubric in full, 0 when it does not "
    "meet it, and a number between when it meets it in part.\n\n<Rubric>\n{rubric}\n</Rubric>\n\n"
    "<Output>\n" + OUTPUT + "\n</Output>"
)
FACTS = (
    "Compare the submitted answer with the expert answer, by facts alone.\n\n[Question]\n"
    "{question}\n\n[Expert]\n{value}\n\n[Submission]\n" + OUTPUT + "\n\n"
    "(A) The submission is a subset of the expert answer and consistent with it.\n"
    "(B) The submission is a superset of the expert answer and consistent with it.\n"
    "(C) The submission has all the details of the expert answer.\n"
    "(D) They disagree.\n(E) They differ, but not in what matters for the facts."
)
CLOSED_QA = (
    "Does the submission meet the criterion? Give 1 for yes, 0 for no.\n\n[Question]\n{question}"
    "\n\n[Submission]\n" + OUTPUT + "\n\n[Criterion]\n{value}"
)
PYTHON = """\
def _promptfoo(output, context):
{body}

def grade(sample, item):
    found = _promptfoo(
        sample["output_text"], {{"vars": item.get("vars", {{}}), "config": {config}}}
    )
    if isinstance(found, dict):
        found = found.get("score", found.get("pass_", found.get("pass")))
    score = float(found)
    {verdict}
"""
PYTHON_FILE = """\
{source}

def grade(sample, item):
    found = {function}(
        sample["output_text"], {{"vars": item.get("vars", {{}}), "config": {config}}}
    )
    if isinstance(found, dict):
        found = found.get("score", found.get("pass_", found.get("pass")))
    score = float(found)
    {verdict}
"""
WORDS = """\
def grade(sample, item):
    n = len(sample["output_text"].split())
    return float({low} <= n <= {high})
"""
DISTANCE = """\
from rapidfuzz.distance import Levenshtein

def grade(sample, item):
    return float(Levenshtein.distance(sample["output_text"], {value!r}) <= {most!r})
"""
HOLDS_JSON = """\
import json
import jsonschema

SCHEMA = json.loads({schema!r})

def grade(sample, item):
    text, decoder = sample["output_text"], json.JSONDecoder()
    for start, character in enumerate(text):
        if character in "[{{":
            try:
                value, _ = decoder.raw_decode(text, start)
            except ValueError:
                continue
            if jsonschema.Draft202012Validator(SCHEMA).is_valid(value):
                return 1.0
    return 0.0
"""
