"""Configs of promptfoo: as its users have them, refused by place, and suites there and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from evals import formats, graders
from evals.formats.contract import CaseSpec, FormatError, SuiteSpec
from evals.formats.documents import Placed
from evals.formats.promptfoo import asserts, files
from evals.formats.promptfoo.makers import MAKERS, NotExpressibleError, Scene
from evals.graders.contract import Policy, Sample
from tests.evals.formats.canonical import canonical, suites

CONFIG: dict[str, Any] = {
    "description": "Capitals of the world",
    "prompts": ["Capital of {{country}}?", '[{"role": "user", "content": "{{country}}!"}]'],
    "providers": [{"id": "openai:chat:x", "config": {"temperature": 0, "apiKey": "secret"}}],
    "defaultTest": {"assert": [{"type": "not-icontains", "value": "sorry", "metric": "manners"}]},
    "tests": [
        {
            "vars": {"country": ["France", "Italy"], "when": "now"},
            "assert": [{"type": "icontains", "value": "{{country}}", "weight": 2}],
        },
        {"description": "javascript alone", "vars": {"country": "Peru"}},
    ],
}


def written(path: Path, config: Any, **others: str) -> Path:
    (path / "promptfooconfig.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    for name, text in others.items():
        (path / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return path


def read(path: Path) -> SuiteSpec:
    return formats.read("promptfoo", path)


def refusal(path: Path) -> FormatError:
    with pytest.raises(FormatError) as refused:
        read(path)
    return refused.value


def one_case(path: Path, test: Any, **config: Any) -> CaseSpec:
    whole = {"prompts": ["{{q}}"], "tests": [test], **config}
    return read(written(path, whole)).cases[0]


def test_prompts_times_tests_with_their_vars_expanded_are_the_cases(tmp_path: Path) -> None:
    suite = read(written(tmp_path, CONFIG))
    assert [(case.case_id, case.input[0]["content"]) for case in suite.cases] == [
        ("test-0 · Capital of {{country}}?", "Capital of France?"),
        ('test-0 · [{"role": "user", "content": "{{country}}!"}]', "France!"),
        ("test-1 · Capital of {{country}}?", "Capital of Italy?"),
        ('test-1 · [{"role": "user", "content": "{{country}}!"}]', "Italy!"),
        ("test-2 · Capital of {{country}}?", "Capital of Peru?"),
        ('test-2 · [{"role": "user", "content": "{{country}}!"}]', "Peru!"),
    ]
    assert [case.cluster for case in suite.cases[:3]] == ["test-0", "test-0", "test-1"]
    assert suite.cases[4].metadata["description"] == "javascript alone"


def test_shared_assertions_are_the_suites_and_the_rest_the_cases(tmp_path: Path) -> None:
    suite = read(written(tmp_path, CONFIG))
    assert suite.graders == [
        {
            "type": "regex",
            "pattern": "sorry",
            "negate": True,
            "ignore_case": True,
            "components": ["manners"],
        }
    ]
    assert suite.cases[0].graders == [
        {
            "type": "string_check",
            "operation": "ilike",
            "reference": "France",
            "weight": 2,
            "components": ["icontains"],
        }
    ]
    assert set(suite.components) == {"manners", "icontains"}
    assert suite.request == {"temperature": 0}


def test_what_a_suite_cannot_hold_is_listed_and_no_secret_with_it(tmp_path: Path) -> None:
    config = {
        **CONFIG,
        "tags": {"a": "b"},
        "tests": [
            {
                "vars": {"country": "France"},
                "options": {"transform": "output.trim()"},
                "assert": [
                    {"type": "javascript", "value": "output.length < 3"},
                    {"type": "contains", "value": "x", "weight": 0},
                ],
            }
        ],
    }
    told = read(written(tmp_path, config)).not_expressible
    assert "secret" not in str(told)
    assert [sentence.split(": ", 1)[0] for sentence in told] == [
        "promptfooconfig.yaml line 16, tests[0].options.transform",
        "promptfooconfig.yaml line 16, tests[0].assert[0]",
        "promptfooconfig.yaml line 16, tests[0].assert[1]",
        "promptfooconfig.yaml line 5, providers",
        "promptfooconfig.yaml line 5, providers",
        "promptfooconfig.yaml line 26, tags",
    ]


SCORES: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "equals", "value": "Paris"}, "Paris", "paris"),
    ({"type": "equals", "value": 4}, "4", "4.0"),
    ({"type": "equals", "value": {"a": [1]}}, '{"a": [1]}', '{"a": [2]}'),
    ({"type": "not-equals", "value": "Paris"}, "paris", "Paris"),
    ({"type": "contains", "value": "ari"}, "Paris", "PARIS"),
    ({"type": "icontains", "value": "ARI"}, "Paris", "Rome"),
    ({"type": "not-contains", "value": "a.i"}, "Paris", "a.i"),
    ({"type": "not-icontains", "value": "A.I"}, "Paris", "a.i"),
    ({"type": "contains-any", "value": ["x+", "y"]}, "x+", "xx"),
    ({"type": "contains-any", "value": 'x, "y, z"'}, "y, z", "y"),
    ({"type": "icontains-any", "value": ["ROM", "y"]}, "Rome", "Paris"),
    ({"type": "contains-all", "value": ["a", "b"]}, "b\na", "bb"),
    ({"type": "icontains-all", "value": ["A", "b"]}, "Ba", "a"),
    ({"type": "not-contains-all", "value": ["a", "b"]}, "a", "ab"),
    ({"type": "starts-with", "value": "Pa("}, "Pa(ris", "\nPa("),
    ({"type": "not-starts-with", "value": "Pa"}, "xPa", "Pa"),
    ({"type": "regex", "value": r"^\d{2}$"}, "42", "421"),
    ({"type": "not-regex", "value": r"\d"}, "x", "4"),
    ({"type": "is-json"}, "[1]", "[1"),
    ({"type": "is-json", "value": {"type": "object", "required": ["a"]}}, '{"a": 1}', "{}"),
    ({"type": "contains", "value": "{{q}} {{ item.n }}"}, "Why? 3", "Why?"),
]


@pytest.mark.parametrize(("assertion", "good", "bad"), SCORES, ids=[str(row[0]) for row in SCORES])
def test_assertion_scores_as_promptfoo_does(
    tmp_path: Path, assertion: dict[str, Any], good: str, bad: str
) -> None:
    test = {"vars": {"q": "Why?", "item": {"n": 3}}, "assert": [assertion]}
    whole = {"prompts": ["{{q}}"], "tests": [test]}
    suite = read(written(tmp_path, whole))
    for answer, score in ((good, 1.0), (bad, 0.0)):
        sample = Sample(output_text=answer)
        grade = graders.grade_sample(suite.graders, suite.cases[0].graded(), sample, Policy())
        assert grade.score == score, (answer, grade.explanation)


def made(assertion: dict[str, Any], folder: Path = Path()) -> dict[str, Any]:
    place = Placed(value=assertion, file="f", field_name="assert[0]")
    scene = Scene({"q": "Why?"}, "Why?", "openai:chat:gpt-4o", files.Folder(folder))
    return MAKERS[assertion["type"]](place, assertion["type"], scene)


def graded(source: str, answer: str, item: Any = None) -> float:
    space: dict[str, Any] = {}
    exec(source, space)  # noqa: S102  the source that is under test
    return float(space["grade"]({"output_text": answer}, item or {}))


PROGRAMS: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "python", "value": "len(output) < 3"}, "ab", "abc"),
    ({"type": "python", "value": "x = output\nreturn {'pass': x == 'a'}"}, "a", "b"),
    ({"type": "python", "value": "output == context['vars']['q']"}, "Why?", "what"),
    ({"type": "python", "value": "0.4 if output == 'b' else 0.9", "threshold": 0.5}, "", "b"),
    ({"type": "word-count", "value": {"min": 2, "max": 3}}, "a b", "a b c d"),
    ({"type": "word-count", "value": 2}, "a b", "a"),
    ({"type": "contains-json"}, 'Here: {"a": 1}.', "{ not"),
    ({"type": "contains-json", "value": {"required": ["b"]}}, '{"a": 1} {"b": 1}', '{"a": 1}'),
]  # fmt: skip


@pytest.mark.parametrize(("assertion", "good", "bad"), PROGRAMS)
def test_assertion_written_as_a_program_scores_as_promptfoo_does(
    assertion: dict[str, Any], good: str, bad: str
) -> None:
    source = made(assertion)["source"]
    item = {"vars": {"q": "Why?"}}
    assert graded(source, good, item) > 0
    assert graded(source, bad, item) == 0


def test_python_assertion_in_a_file_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "check.py").write_text("def short(output, context):\n    return len(output) < 3\n")
    spec = made({"type": "python", "value": "file://check.py:short"}, tmp_path)
    assert (graded(spec["source"], "ab"), graded(spec["source"], "abc")) == (1.0, 0.0)


def test_rubrics_and_similarities_keep_what_they_ask() -> None:
    rubric = made({"type": "llm-rubric", "value": "is polite to {{q}}"})
    assert rubric["model"] == "gpt-4o"
    assert "is polite to Why?" in rubric["input"][0]["content"]
    similar = made({"type": "rouge-n", "value": "a b", "threshold": 0.3})
    assert (similar["evaluation_metric"], similar["pass_threshold"]) == ("rouge_1", 0.3)
    facts = made({"type": "factuality", "value": "It is 4."})
    assert facts["passing_labels"] == ["A", "B", "C", "E"]


@pytest.mark.parametrize("kind", ["javascript", "latency", "select-best", "human", "is-refusal"])
def test_assertion_without_a_counterpart_says_why(kind: str) -> None:
    place = Placed(value={"type": kind, "value": "x"}, file="f")
    with pytest.raises(NotExpressibleError, match="here"):
        asserts.spec_of(place, Scene({}, "", "judge", files.Folder(Path())))


def test_set_without_threshold_counts_as_much_as_it_does_there(tmp_path: Path) -> None:
    inner = [{"type": "contains", "value": "a"}, {"type": "equals", "value": "a", "weight": 3}]
    whole = {"type": "assert-set", "assert": inner, "weight": 2, "metric": "set"}
    test = {"vars": {"q": "?"}, "assert": [whole, {"type": "contains", "value": "b"}]}
    suite = read(written(tmp_path, {"prompts": ["{{q}}"], "tests": [test]}))
    sample = Sample(output_text="ab")
    grade = graders.grade_sample(suite.graders, suite.cases[0].graded(), sample, Policy())
    # (2 · (1·1 + 3·0)/4 + 1 · 1) / 3
    assert grade.score == pytest.approx(0.5)
    assert grade.components["set"].score == 0.25


def test_thresholds_pass_by_the_weighted_mean(tmp_path: Path) -> None:
    inner = [{"type": "contains", "value": "a"}, {"type": "equals", "value": "a", "weight": 3}]
    whole = {"type": "assert-set", "assert": inner, "threshold": 0.25}
    for test in (
        {"vars": {"q": "?"}, "assert": [whole]},
        {"vars": {"q": "?"}, "assert": inner, "threshold": 0.25},
    ):
        suite = read(written(tmp_path, {"prompts": ["{{q}}"], "tests": [test]}))
        case = suite.cases[0].graded()
        grade = graders.grade_sample(suite.graders, case, Sample(output_text="ab"), Policy())
        assert (grade.state, grade.score) == ("passed", 0.25)
        assert not suite.not_expressible


def test_pattern_of_javascript_alone_is_listed(tmp_path: Path) -> None:
    test = {"vars": {"q": "?"}, "assert": [EQUALS, {"type": "regex", "value": "[a"}]}
    suite = read(written(tmp_path, {"prompts": ["{{q}}"], "tests": [test]}))
    assert "assert regex: pattern: is not a regular expression" in suite.not_expressible[0]


def test_tests_come_from_tables_files_and_scenarios(tmp_path: Path) -> None:
    config = {
        "prompts": "file://prompts.txt",
        "tests": ["file://a.csv", "file://b.jsonl"],
        "scenarios": [
            {
                "config": [{"vars": {"q": "s1"}}, {"vars": {"q": "s2"}}],
                "tests": [{"assert": [{"$ref": "#/templates/short"}]}],
            }
        ],
        "templates": {"short": {"type": "regex", "value": "^.{1,9}$", "metric": "short"}},
    }
    table = 'q,__expected,__expected2,__metric\n"one, two","contains-any:a,b",starts-with:a,m\n'
    path = written(
        tmp_path,
        config,
        prompts__txt="First {{q}}\n---\nSecond {{q}}\n",
        a__csv=table,
        b__jsonl='{"vars": {"q": "j"}, "assert": [{"type": "equals", "value": "x"}]}\n',
    )
    suite = read(path)
    asked = [case.input[0]["content"] for case in suite.cases]
    assert asked == [f"{n} {q}" for q in ("one, two", "j", "s1", "s2") for n in ("First", "Second")]
    assert [spec["pattern"] for spec in suite.cases[0].graders] == ["a|b", r"\Aa"]
    assert {label for spec in suite.cases[0].graders for label in spec["components"]} == {"m"}


def test_vars_come_from_files_and_use_each_other(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {
            "prompts": ["{{a}}"],
            "tests": [{"vars": {"a": "<{{b}}>", "b": "file://b.txt"}, "assert": [EQUALS]}],
        },
        b__txt="from a file\n",
    )
    assert read(path).cases[0].input == [{"role": "user", "content": "<from a file>"}]


EQUALS = {"type": "equals", "value": "x"}
TEST = {"vars": {"q": "?"}, "assert": [EQUALS]}
REFUSED: list[tuple[str, Any, int | None, str, str]] = [
    ("no config", {"a": 1}, 1, "", "neither prompts nor tests"),
    ("a list", [1], 1, "", "must be an object"),
    ("no prompt", {"tests": [TEST]}, 1, "prompts", "must be a list, not missing"),
    ("template", {"prompts": ["{{ q"], "tests": [TEST]}, 1, "prompts", "template can't be filled"),
    ("a program", {"prompts": ["{{q}}"], "tests": "file://t.py"}, 3, "tests", "export the tests"),
    (
        "outside",
        {"prompts": ["{{q}}"], "tests": [{"vars": {"q": "file://../x.txt"}, "assert": [EQUALS]}]},
        4,
        "tests[0].vars.q",
        "outside of the config's folder",
    ),
    (
        "absent",
        {"prompts": ["file://gone.txt"], "tests": [TEST]},
        2,
        "prompts[0]",
        "gone.txt is not found",
    ),
    (
        "no type",
        {"prompts": ["{{q}}"], "tests": [{"vars": {"q": "?"}, "assert": [{"value": "x"}]}]},
        4,
        "tests[0].assert[0].type",
        "must be a text, not missing",
    ),
    (
        "nothing graded",
        {"prompts": ["x"], "tests": [{"assert": [{"type": "javascript", "value": "1"}]}]},
        1,
        "",
        "nothing would be graded",
    ),
    (
        "too many",
        {"prompts": ["x"], "tests": [{"vars": {k: ["a"] * 10 for k in "abcdef"}}]},
        4,
        "tests[0].vars",
        "1,000,000 tests",
    ),
]


@pytest.mark.parametrize(
    ("name", "config", "line", "field_name", "said"), REFUSED, ids=[row[0] for row in REFUSED]
)
def test_bad_config_is_refused_by_its_place(
    tmp_path: Path, name: str, config: Any, line: int | None, field_name: str, said: str
) -> None:
    error = refusal(written(tmp_path, config))
    assert said in error.message
    assert (error.line, error.field_name) == (line, field_name)


def test_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "in" / "x.txt").symlink_to(tmp_path / "secret.txt")
    config = {"prompts": ["file://x.txt"], "tests": [TEST]}
    assert "leads out" in refusal(written(tmp_path / "in", config)).message


@pytest.mark.parametrize(
    "hostile",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ 'a' * 999999999 }}",
        "{% for a in range(10**9) %}x{% endfor %}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{% include '/etc/passwd' %}",
    ],
)
def test_hostile_template_gets_nowhere(tmp_path: Path, hostile: str) -> None:
    config = {"prompts": [hostile], "tests": [TEST]}
    try:
        asked = read(written(tmp_path, config)).cases[0].input[0]["content"]
    except FormatError as error:
        asked = error.message
        assert "template can't be filled" in asked
    assert len(asked) < 300
    assert "uid=" not in asked and "root:" not in asked and "<class" not in asked


@pytest.mark.parametrize("text", ["", "prompts: [", "\x00", "- &a [*a]", "prompts: {{x}}"])
def test_garbage_is_refused_and_never_crashes(tmp_path: Path, text: str) -> None:
    (tmp_path / "promptfooconfig.yaml").write_text(text, encoding="utf-8")
    assert refusal(tmp_path).file == "promptfooconfig.yaml"


@pytest.mark.parametrize("name", sorted(suites()))
@pytest.mark.parametrize("target", ["folder", "one.yaml", "one.json"])
def test_suite_comes_back_as_it_went(tmp_path: Path, name: str, target: str) -> None:
    suite = suites()[name]
    formats.write("promptfoo", suite, tmp_path / target)
    back = read(tmp_path / target)
    assert canonical(back) == canonical(suite)
    assert not back.not_expressible


def test_what_was_edited_after_an_export_is_what_counts(tmp_path: Path) -> None:
    formats.write("promptfoo", suites()["every_field"], tmp_path)
    file = tmp_path / "promptfooconfig.yaml"
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    config["defaultTest"]["assert"][1]["value"] = "London"
    config["tests"][0]["vars"]["messages"][0]["content"] = "Which city?"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    back = read(tmp_path)
    assert back.graders[1]["reference"] == "London"
    assert back.cases[0].input == [{"role": "user", "content": "Which city?"}]
    assert len(back.graders) == 3
    assert "defaultTest.assert[1]" in back.not_expressible[0]


def test_real_config_is_read_with_each_gap_named() -> None:
    suite = read(Path(__file__).parent / "promptfoo_recorded")
    assert len(suite.cases) == 12
    assert {"manners", "facts", "form"} <= set(suite.components)
    assert any("assert javascript" in sentence for sentence in suite.not_expressible)
    assert json.loads(canonical(suite))
