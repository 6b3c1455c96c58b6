"""The sql grader: parts in one spelling, rows by running, and nothing that harms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from evals import graders
from evals.graders.contract import Grade, GradedCase, GraderSpecError, Policy, Sample
from evals.graders.sql import execution, parts
from evals.states import ResultState

SETUP = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, city TEXT, age INTEGER);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER, total REAL);
INSERT INTO customers VALUES (1,'Ada','Paris',34),(2,'Bruno','Rome',51),(3,'Chloé','Paris',27);
INSERT INTO orders VALUES (1,1,5.5),(2,1,8),(3,2,20);
"""
SPEC: Mapping[str, Any] = {"type": "sql", "databases": {"shop": SETUP}}
TARGET = "SELECT name FROM customers WHERE city = 'Paris' AND age > 30"
JOIN = "SELECT c.name, o.total FROM customers c JOIN orders o ON o.customer_id = c.id"


def graded(text: str, target: str = TARGET, **spec: Any) -> Grade:
    case = GradedCase(case_id="one", target={"sql": target, "database": "shop"})
    return graders.grade_sample([{**SPEC, **spec}], case, Sample(output_text=text), Policy())


def scores(grade: Grade) -> dict[str, float]:
    return {label.partition(".")[2]: share.score for label, share in grade.components.items()}


RIGHT = {"table": 1.0, "columns": 1.0, "filters": 1.0, "execution": 1.0}
SPELLINGS = [
    ("as the target", TARGET),
    ("case, spaces and a semicolon", "select  NAME from Customers where CITY='Paris' and age>30;"),
    ("conditions swapped", "SELECT name FROM customers WHERE age > 30 AND city = 'Paris'"),
    ("literal first", "SELECT name FROM customers WHERE 'Paris' = city AND 30 < age"),
    (
        "alias and qualifier",
        "SELECT c.name AS n FROM customers c WHERE c.city='Paris' AND c.age>30",
    ),
    ("IN with one value", "SELECT name FROM customers WHERE city IN ('Paris') AND (age > 30)"),
    ("text in double quotes", 'SELECT name FROM customers WHERE city = "Paris" AND age > 30'),
    ("fenced", f"Here it is:\n```sql\n{TARGET}\n```\nHope this helps."),
    ("after a sentence", f"Sure! {TARGET}"),
    ("comment inside", TARGET.replace("WHERE", "-- only these\nWHERE")),
]
WRONG = [
    ("table", "SELECT name FROM orders WHERE city = 'Paris' AND age > 30", {"table", "execution"}),
    ("columns", "SELECT id FROM customers WHERE city='Paris' AND age>30", {"columns", "execution"}),
    ("star", "SELECT * FROM customers WHERE city='Paris' AND age>30", {"columns", "execution"}),
    ("filter value", TARGET.replace("Paris", "Rome"), {"filters", "execution"}),
    ("filter case", TARGET.replace("Paris", "paris"), {"filters", "execution"}),
    ("filter left out", "SELECT name FROM customers WHERE age > 30", {"filters", "execution"}),
    ("or for and", TARGET.replace(" AND ", " OR "), {"filters", "execution"}),
    ("same rows by luck", TARGET.replace("> 30", "> 33"), {"filters"}),
    ("limit", TARGET + " LIMIT 0", {"execution"}),
    ("unicode value", TARGET.replace("Paris", "Zürich 数"), {"filters", "execution"}),
]
UNREADABLE = [
    ("empty", ""),
    ("blank", " \n\t"),
    ("prose", "There is no way to tell from here."),
    ("cut off", "SELECT name FROM customers WHERE city = 'Par"),
    ("huge", "SELECT " + "name, " * 5_000 + "name FROM customers"),
    ("two statements", "SELECT 1; SELECT 2"),
    ("not a query", "```sql\nSELECT 1; DROP TABLE customers\n```"),
    ("unicode", "数据库里没有 🙃"),
    ("deeply nested", "SELECT " + "(" * 4_000 + "1" + ")" * 4_000),
]


@pytest.mark.parametrize(("name", "answer"), SPELLINGS)
def test_spelling_does_not_matter(name: str, answer: str) -> None:
    grade = graded(answer)
    assert scores(grade) == RIGHT, grade.explanation
    assert (grade.state, grade.score) == (ResultState.PASSED, 1.0)


@pytest.mark.parametrize(("name", "answer", "wrong"), WRONG)
def test_only_the_wrong_part_loses(name: str, answer: str, wrong: set[str]) -> None:
    grade = graded(answer)
    assert {part for part, score in scores(grade).items() if score < 1} == wrong
    assert grade.state is ResultState.FAILED
    assert grade.score == pytest.approx(1 - len(wrong) / 4)


@pytest.mark.parametrize(("name", "answer"), UNREADABLE)
def test_unreadable_answer_is_the_models_fault_and_scored_by_policy(name: str, answer: str) -> None:
    grade = graded(answer)
    assert (grade.state, grade.score, grade.parsed) == (ResultState.FAILED, 0.0, False)
    assert scores(grade) == dict.fromkeys(RIGHT, 0.0)
    assert "by the suite's policy" in grade.explanation


def test_refusal_is_recorded_as_refused() -> None:
    grade = graded("I'm sorry, but I can't help with that request.")
    assert (grade.state, grade.score) == (ResultState.REFUSED, 0.0)


def test_json_answer_is_read_from_its_field() -> None:
    assert graded(json.dumps({"sql": TARGET}), answer="json").score == 1.0
    assert graded(json.dumps({"query": TARGET}), answer="json", field="query").score == 1.0


@pytest.mark.parametrize("answer", ['{"sql": "SELECT na', '["SELECT 1"]', '{"sql": 3}', "null", ""])
def test_broken_json_answer_is_unreadable(answer: str) -> None:
    assert not graded(answer, answer="json").parsed


def test_join_is_its_own_part_whether_in_on_or_where() -> None:
    grade = graded(
        "SELECT customers.name, orders.total FROM customers, orders"
        " WHERE customers.id = orders.customer_id",
        target=JOIN,
    )
    assert scores(grade) == {"table": 1.0, "columns": 1.0, "joins": 1.0, "execution": 1.0}
    wrong = graded(JOIN.replace("o.customer_id = c.id", "o.id = c.id"), target=JOIN)
    assert scores(wrong)["joins"] == 0.0


def test_parts_that_the_target_lacks_are_not_scored() -> None:
    assert set(scores(graded("SELECT name FROM customers", "SELECT name FROM customers"))) == {
        "table",
        "columns",
        "execution",
    }


def test_overlap_scoring_gives_the_f1_of_a_part() -> None:
    target = "SELECT name, city FROM customers"
    grade = graded("SELECT name FROM customers", target, scoring="overlap")
    assert scores(grade)["columns"] == pytest.approx(2 / 3)


def test_order_counts_only_where_the_target_asks_for_one() -> None:
    reverse = "SELECT name FROM customers ORDER BY name DESC"
    assert scores(graded(reverse, "SELECT name FROM customers"))["execution"] == 1.0
    assert scores(graded(reverse, "SELECT name FROM customers ORDER BY name"))["execution"] == 0.0


def test_query_that_does_not_run_loses_only_execution_and_says_why() -> None:
    grade = graded("SELECT nope(name) FROM customers WHERE city = 'Paris' AND age > 30")
    assert scores(grade)["execution"] == 0.0
    assert "no such function: nope" in grade.explanation


BAD_TARGETS = [
    ("no sql", {"database": "shop"}, "target"),
    ("unknown database", {"sql": "SELECT 1", "database": "bank"}, "target.database"),
    ("not sql", {"sql": "SELECT FROM", "database": "shop"}, "target.sql"),
    ("unknown column", {"sql": "SELECT salary FROM customers", "database": "shop"}, "target.sql"),
    ("writes", {"sql": "DELETE FROM customers", "database": "shop"}, "target.sql"),
    ("broken setup", {"sql": "SELECT 1", "setup": "CREATE"}, "target.setup"),
    ("stray key", {"sql": "SELECT 1", "database": "shop", "rows": []}, "target"),
]


@pytest.mark.parametrize(("name", "target", "field_name"), BAD_TARGETS)
def test_bad_target_is_refused_by_field(name: str, target: dict[str, Any], field_name: str) -> None:
    with pytest.raises(GraderSpecError) as refused:
        graders.check_case(SPEC, GradedCase(case_id="one", target=target))
    assert refused.value.field_name == field_name


FORBIDDEN = [
    ("write", "INSERT INTO customers VALUES (9,'a','b',1)", "not authorized"),
    ("pragma", "PRAGMA table_info(customers)", "not authorized"),
    ("pragma function", "SELECT * FROM pragma_table_info('customers')", "not authorized"),
    ("attach", "ATTACH 'other.db' AS other", "not authorized"),
    ("vacuum into a file", "VACUUM INTO 'other.db'", "authoriz"),
    ("extension", "SELECT load_extension('x')", "not authorized"),
    ("chance", "SELECT random()", "not authorized"),
    ("huge value", "SELECT hex(zeroblob(90000000))", "too big"),
    (
        "endless",
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM r) SELECT count(*) FROM r",
        "steps",
    ),
    (
        "too many rows",
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM r) SELECT n FROM r",
        "rows",
    ),
]


@pytest.mark.parametrize(("name", "sql", "said"), FORBIDDEN)
def test_execution_only_reads_and_ends(name: str, sql: str, said: str) -> None:
    with pytest.raises(execution.QueryError, match=said):
        execution.rows(SETUP, sql)


@pytest.mark.parametrize(
    "setup", ["ATTACH 'other.db' AS o", "VACUUM INTO 'other.db'", "PRAGMA user_version = 3"]
)
def test_setup_script_cannot_leave_its_database(
    setup: str, tmp_path: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(execution.QueryError):
        execution.columns(setup)
    assert not list(tmp_path.iterdir())


def test_rows_are_the_same_up_to_order_and_the_last_digits() -> None:
    assert execution.same([(1, "a"), (2, "b")], [(2.0, "b"), (1.0, "a")], ordered=False)
    assert execution.same([(0.1 + 0.2,)], [(0.3,)], ordered=True)
    assert not execution.same([(1,), (1,)], [(1,), (2,)], ordered=False)
    assert not execution.same([(1,)], [(1,), (1,)], ordered=False)
    assert not execution.same([("1",)], [(1,)], ordered=False)
    assert not execution.same([(None,)], [(0,)], ordered=False)


def test_between_is_two_conditions() -> None:
    schema = execution.columns(SETUP)
    between = parts.of("SELECT id FROM customers WHERE age BETWEEN 20 AND 30", schema)
    spelled = parts.of("SELECT id FROM customers WHERE age >= 20 AND 30 >= age", schema)
    assert between.filters == spelled.filters
