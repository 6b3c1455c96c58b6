"""Whatever is sent to a method is answered, or refused in one sentence that names the field."""

import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from releases.statistics.__main__ import main
from releases.statistics.methods import METHODS

REFERENCES = json.loads(Path(__file__).with_name("references.json").read_text())

# Fields of the rows that a method takes.
INNER = {"compare_nodes": ("case_id", "candidate", "baseline", "cluster")}
NUMBERS = st.one_of(
    st.integers(-3, 40),
    st.floats(-2, 2),
    st.floats(),
    st.sampled_from([0, 1, -1, 0.5, 1e-300, 1e-49, -1e300, 1e49, 1e17, 10**30, "inf", "nan"]),
)
LEAVES = st.one_of(NUMBERS, st.none(), st.booleans(), st.text(max_size=5))
JUNK = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=6), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=25,
)
NUMERIC = st.one_of(
    NUMBERS, st.lists(NUMBERS, max_size=8), st.lists(st.lists(NUMBERS, max_size=5), max_size=5)
)


def answered(method, text):
    out, err = io.StringIO(), io.StringIO()
    code = main([method], io.StringIO(text), out, err)
    if code == 0:
        assert err.getvalue() == ""
        assert (
            tuple(json.loads(out.getvalue(), parse_constant=pytest.fail)) == METHODS[method].gives
        )
        return
    assert (code, out.getvalue()) == (2, "")
    fields = [*METHODS[method].needs, *METHODS[method].takes, "input", *INNER.get(method, ())]
    fields = "|".join(fields)
    assert re.fullmatch(rf"({fields})[\[\]\w. ']*: [^\n]+\n", err.getvalue()), err.getvalue()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_garbage_in_every_field_is_answered_or_refused_by_name(method, data):
    fields = (*METHODS[method].needs, *METHODS[method].takes)
    text = {field: data.draw(st.one_of(NUMERIC, JUNK), field) for field in fields}
    answered(method, json.dumps(text))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_one_piece_of_garbage_in_good_input_is_answered_or_refused_by_name(method, data):
    row = next(row["in"] for row in REFERENCES if row["method"] == method)
    answered(method, json.dumps(spoiled(row, data)))


def spoiled(value, data):
    """The value with one part of it, at any depth, replaced."""
    if isinstance(value, dict) and value:
        at = data.draw(st.sampled_from(sorted(value)))
        return {**value, at: spoiled(value[at], data)}
    if isinstance(value, list) and value and data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(value) - 1))
        return [*value[:at], spoiled(value[at], data), *value[at + 1 :]]
    return data.draw(st.one_of(NUMERIC, JUNK))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[" * 100_000,
        '{"p": [' + "1" * 5_000 + "]}",
        '{"p": [1e400]}',
        '{"p": [-Infinity]}',
        '{"p": "\ud800"}',
        "\x00",
    ],
)
def test_what_is_no_input_at_all_is_refused(text):
    out, err = io.StringIO(), io.StringIO()
    assert main(["holm"], io.StringIO(text), out, err) == 2
    assert re.fullmatch(r"(p(\[0\])?|input): [^\n]+\n", err.getvalue())


def test_bytes_that_are_no_text_are_refused():
    out, err = io.StringIO(), io.StringIO()
    source = io.TextIOWrapper(io.BytesIO(b'{"p": "\xff\xfe"}'), encoding="utf-8")
    assert main(["holm"], source, out, err) == 2
    assert err.getvalue().startswith("input: ")
