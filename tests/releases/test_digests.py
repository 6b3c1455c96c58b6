"""What is recorded hashes the same when it comes back."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from releases.digests import plain_json, sha256_of
from releases.states import Outcome

FLOATS = st.floats(allow_nan=True, allow_infinity=True)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), FLOATS, st.sampled_from(["a", "é", ""])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from("abcd"), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "value, plain",
    [
        (-0.0, 0.0),
        (1e16, 10**16),
        (math.inf, "inf"),
        (math.nan, "nan"),
        ((1, 2.5), [1, 2.5]),
        ({1: Outcome.PASS}, {"1": "pass"}),
        (True, True),
    ],
)
def test_plain_json_is_what_a_json_column_gives_back(value: Any, plain: Any) -> None:
    found = plain_json(value)
    assert json.dumps(found) == json.dumps(plain)


@pytest.mark.django_db
def test_a_recorded_value_hashes_the_same_when_it_is_read() -> None:
    @given(VALUES)
    @settings(max_examples=200, deadline=None)
    def holds(value: Any) -> None:
        plain = plain_json(value)
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s::jsonb::text", [json.dumps(plain, allow_nan=False)])
            read = json.loads(cursor.fetchone()[0])
        assert sha256_of(read) == sha256_of(plain)

    holds()
