"""Triage: assigned, labelled, found to be alike, imported once, filtered as one saved it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from alpha import selectors, similarity
from alpha.models import Feedback, FeedbackLikeness, InboxFilter
from alpha.received_mail import NotReadable, read_message
from alpha.services import feedback, findings, imports, triage
from alpha.services.findings import Weakness
from infra.errors import InvalidInput, InvalidMove, NotFound, NotPermitted
from infra.ids import uuid7
from infra.models import AuditEntry, Person
from infra.roles import Role
from releases.gates.severity import Severity
from tests import builders
from tests.alpha import builders as alpha_builders
from tests.alpha.builders import Access

SAID = {
    "wrong column": "It picks the wrong column when the table has two dates.",
    "wrong column again": "With two dates in a table it chooses the wrong column!",
    "slow": "The first token takes ages since Tuesday.",
    "french": "It answers in French although I asked in English.",
}


@pytest.fixture
def access(db: None) -> Access:
    return alpha_builders.access()


def remarks(access: Access) -> dict[str, Feedback]:
    made = {
        name: alpha_builders.feedback(access, comment=text, state="new")
        for name, text in SAID.items()
    }
    assert triage.index_feedback() == len(made)
    return made


def test_a_remark_that_says_the_same_is_suggested_first(access: Access) -> None:
    made = remarks(access)
    found = similarity.suggest_duplicates(made["wrong column"].comment, made["wrong column"].pk)
    assert [one.feedback for one in found] == [made["wrong column again"]]
    assert found[0].score > 0.6
    assert similarity.suggest_duplicates("weird") == []
    assert similarity.suggest_duplicates("Please send the invoice to our accounting.") == []


def test_words_are_indexed_once_and_one_word_not_at_all(access: Access) -> None:
    remarks(access)
    alpha_builders.feedback(access, comment="weird")
    assert (triage.index_feedback(), triage.index_feedback()) == (1, 0)
    assert FeedbackLikeness.objects.count() == len(SAID)


def test_groups_are_proposed_and_nothing_is_moved(access: Access) -> None:
    made = remarks(access)
    (group,) = similarity.propose_groups()
    assert list(group.remarks) == [made["wrong column"], made["wrong column again"]]
    assert group.sentence.startswith("2 remarks look like “It picks the wrong column")
    assert set(Feedback.objects.values_list("state", flat=True)) == {"new"}


def test_linking_takes_a_remark_out_of_the_new_ones(access: Access) -> None:
    made, cast = remarks(access), builders.cast()
    weakness = Weakness(title="Columns", severity=Severity.MAJOR)
    finding = findings.open_finding(
        actor=cast.engineer,
        checkpoint=access.checkpoint,
        weakness=weakness,
        feedback=[made["wrong column"]],
    )
    twin = made["wrong column again"]
    feedback.mark_duplicate(
        actor=cast.eval_owner, feedback=twin, of=made["wrong column"], reason="The same."
    )
    findings.link_feedback(actor=cast.engineer, finding=finding, feedback=twin)
    for row in (made["wrong column"], twin):
        row.refresh_from_db()
        assert (row.state, row.duplicate_of) == ("linked", None)
    assert selectors.inbox(state="new").count() == len(SAID) - 2


def test_a_duplicate_names_the_first_of_its_kind(access: Access) -> None:
    made, actor = remarks(access), builders.cast().partner_manager
    first, second, third = (made[name] for name in ("wrong column", "wrong column again", "slow"))
    feedback.mark_duplicate(actor=actor, feedback=second, of=first, reason="The same.")
    feedback.mark_duplicate(actor=actor, feedback=third, of=second, reason="The same.")
    assert third.duplicate_of == first
    with pytest.raises(InvalidInput, match="no duplicate of itself"):
        feedback.mark_duplicate(actor=actor, feedback=first, of=second, reason="The same.")
    with pytest.raises(InvalidMove):
        feedback.mark_duplicate(actor=actor, feedback=third, of=first, reason="Again.")
    feedback.reopen(actor=actor, feedback=third, reason="It is another.")
    third.refresh_from_db()
    assert (third.state, third.duplicate_of) == ("new", None)
    with pytest.raises(IntegrityError), transaction.atomic():
        Feedback.objects.filter(pk=third.pk).update(state="duplicate")


def test_triage_assigns_grades_and_labels(access: Access) -> None:
    made, cast = remarks(access), builders.cast()
    row, manager = made["slow"], cast.partner_manager
    with pytest.raises(NotPermitted):
        triage.triage_feedback(actor=cast.engineer, feedback=row, severity=Severity.MAJOR)
    with pytest.raises(InvalidInput, match="Name an assignee"):
        triage.triage_feedback(actor=manager, feedback=row)
    with pytest.raises(InvalidInput, match="At most 20 labels"):
        triage.triage_feedback(actor=manager, feedback=row, labels=["x" * 101])
    me = Person.objects.get(pk=manager.person_id)
    triage.triage_feedback(
        actor=manager, feedback=row, assignee=me, severity=Severity.MAJOR, labels=["latency", " "]
    )
    triage.triage_feedback(actor=manager, feedback=row, labels=["latency.first"])
    row.refresh_from_db()
    assert (row.assignee, row.severity, row.labels) == (me, "major", ["latency.first"])
    assert list(selectors.inbox(assignee=me.email, label="latency.first")) == [row]
    assert selectors.inbox(assignee="nobody").count() == len(SAID) - 1
    assert list(selectors.inbox(q="french")) == [made["french"]]


TYPED = (
    "It chooses sql.columns wrongly; sql-tables too.",
    "Don't end it with a “quoted” word…",
    "Ask ada@x.example for https://x.example/a_b?c=1 or v1.2.3, 50% off: 1e5 rows",
    "Größe und Ärger, 列の名前",
)


@pytest.mark.parametrize(
    ("asked", "at"),
    [
        ("columns", 0), ("sql.columns", 0), ("SQL-tables too", 0), ("col", 0), ("wrongly", 0),
        ("Don't", 1), ("quoted", 1), ("“quoted”", 1), ("x.example", 2), ("a_b", 2), ("v1.2.3", 2),
        ("50%", 2), ("1e5 rows", 2), ("ada@x.ex", 2), ("größe", 3), ("ärger", 3), ("名前", 3),
        ("???", None), ("olumns", None), ("columns sql", None), ("' & !*", None), ("\\", None),
    ],
)  # fmt: skip
def test_words_are_found_as_they_were_typed(access: Access, asked: str, at: int | None) -> None:
    made = [alpha_builders.feedback(access, comment=text, state="new") for text in TYPED]
    assert list(selectors.inbox(q=asked)) == ([] if at is None else [made[at]])


def test_words_are_read_from_their_index(access: Access) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_indexscan = off")
    plan = selectors.inbox(q="column dates").order_by().explain()
    assert "feedback_words" in plan, plan


def test_a_remark_is_taken_from_whoever_had_it_and_the_rest_stays(access: Access) -> None:
    row, manager = remarks(access)["slow"], builders.cast().partner_manager
    me = Person.objects.get(pk=manager.person_id)
    triage.triage_feedback(actor=manager, feedback=row, assignee=me, labels=["latency"])
    with pytest.raises(InvalidInput, match="or nobody sees to it"):
        triage.triage_feedback(actor=manager, feedback=row, assignee=me, unassign=True)
    triage.triage_feedback(actor=manager, feedback=row, unassign=True)
    row.refresh_from_db()
    assert (row.assignee, row.labels) == (None, ["latency"])
    entry = AuditEntry.objects.filter(action="feedback.triaged").first()
    assert entry is not None
    assert (entry.before, entry.after) == ({"assignee": me.name}, {"assignee": None})
    for again in (_by_api, _by_command, _by_page):
        triage.triage_feedback(actor=manager, feedback=row, assignee=me)
        again(row)
        row.refresh_from_db()
        assert row.assignee is None, again.__name__


def _by_api(row: Feedback) -> None:
    client = Client()
    client.force_login(builders.login("by-api", Role.PARTNER_MANAGER))
    path = f"/api/feedback/{row.pk}/triage/"
    told = client.post(path, {"assignee": None}, content_type="application/json")
    assert told.status_code == 200, told.content


def _by_command(row: Feedback) -> None:
    builders.login("by-command", Role.PARTNER_MANAGER)
    words = (str(row.pk), "--assignee", "nobody", "--by", "by-command")
    call_command("feedback", "triage", *words, stdout=StringIO())


def _by_page(row: Feedback) -> None:
    client = Client()
    client.force_login(builders.login("by-page", Role.PARTNER_MANAGER))
    address = reverse("console-feedback-item", args=[row.pk])
    assert "Assign it to nobody" in client.get(address).content.decode()
    page = client.post(address, {"do": "give_back"}, follow=True).content.decode()
    assert "Nobody sees to it now." in page and "Assign it to nobody" not in page


def test_filters_are_ones_own_and_hold_only_the_inboxs_fields(access: Access) -> None:
    cast = builders.cast()
    mine, other = cast.partner_manager, cast.behaviour_reviewer
    kept = triage.save_filter(
        actor=mine, name=" Mine ", query="?state=new&severity=major&page=7&next=//evil.example"
    )
    assert (kept.name, kept.query) == ("Mine", "state=new&severity=major")
    triage.save_filter(actor=mine, name="Mine", query="state=linked")
    assert InboxFilter.objects.get().query == "state=linked"
    with pytest.raises(NotFound):
        triage.drop_filter(actor=other, name="Mine")
    with pytest.raises(InvalidInput, match="Narrow the inbox first"):
        triage.save_filter(actor=mine, name="All", query="page=2")
    with pytest.raises(NotPermitted):
        triage.save_filter(actor=alpha_builders.ACTOR, name="x", query="state=new")
    triage.drop_filter(actor=mine, name="Mine")
    assert not InboxFilter.objects.exists()


ID = "0192f7c0-1234-7abc-8def-0123456789ab"
MAIL = (
    "From: Dee <dev@acme.example>\r\nTo: alpha@lab.example\r\nSubject: odd\r\n"
    "Message-ID: <1@acme.example>\r\nDate: Mon, 2 Mar 2026 09:00:00 +0000\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n\r\n"
    f"It picks the wrong column, see chatcmpl-{ID}.\r\n\r\n"
    "On Sun, Ada <a@lab.example> wrote:\r\n> how is it going?\r\n"
)


def test_a_mail_is_read_without_what_it_quotes() -> None:
    read = read_message(MAIL.encode())
    assert read.is_mail and (read.sender, read.subject) == ("dev@acme.example", "odd")
    assert read.comment == f"It picks the wrong column, see chatcmpl-{ID}."
    assert str(read.request_id) == ID
    html = MAIL.replace("text/plain", "text/html").replace(
        "It picks", "<style>p {}</style><p>It <b>picks</b>"
    )
    assert read_message(html.encode()).comment.startswith("It picks the wrong")
    assert read_message(html.encode()).idempotency_key == read.idempotency_key


def test_pasted_text_is_read_as_it_is() -> None:
    read = read_message("\ufeffNote: it is slow\nsince Tuesday".encode())
    assert not read.is_mail and read.comment == "Note: it is slow\nsince Tuesday"
    assert read.request_id is None


@pytest.mark.parametrize(
    "content",
    [b"", b"> only\n> quotes", b"\xff\xfe\x00", b"x" * 1_000_001, b"word " * 5_000],
    ids=["empty", "quotes", "no-text", "too-large", "too-long"],
)
def test_what_cannot_be_read_is_told(content: bytes) -> None:
    with pytest.raises(NotReadable):
        read_message(content)


def test_many_headers_without_an_end_are_read_at_once() -> None:
    started = datetime.now(UTC)
    read_message(b"a: b\r\n" * 2_000 + b"\x0bend")
    assert (datetime.now(UTC) - started).total_seconds() < 5


def test_an_import_is_looked_at_first_and_written_down_once(access: Access) -> None:
    actor, request_id = builders.cast().partner_manager, uuid7()
    alpha_builders.usage_event(access, request_id)
    content = MAIL.replace(ID, str(request_id)).encode()
    preview = imports.preview_import(actor=actor, content=content)
    assert (preview.partner, preview.is_bound, preview.known) == (access.partner, True, None)
    assert not Feedback.objects.exists()
    rows = [
        imports.import_feedback(
            actor=actor,
            partner=access.partner,
            received=preview.received,
            request_id=preview.received.request_id,
        )
        for _ in range(2)
    ]
    assert rows[0] == rows[1] and Feedback.objects.get().source == "email"
    assert rows[0].checkpoint == access.checkpoint
    assert imports.preview_import(actor=actor, content=content).known == rows[0]
    with pytest.raises(InvalidInput, match="says nothing"):
        imports.preview_import(actor=actor, content=b"> quoted")
    with pytest.raises(NotPermitted):
        imports.preview_import(actor=builders.cast().engineer, content=content)


def test_the_api_triages(access: Access) -> None:
    made = remarks(access)
    client = Client()
    client.force_login(builders.login("rev", Role.PARTNER_MANAGER))
    path = f"/api/feedback/{made['wrong column again'].pk}/"

    def post(path: str, **body: Any) -> Any:
        return client.post(path, body, content_type="application/json")

    alike = client.get(path + "alike/").json()
    assert [one["feedback"]["id"] for one in alike] == [str(made["wrong column"].pk)]
    assert post(path + "triage/", severity="major", labels=["sql"]).json()["severity"] == "major"
    told = post(path + "duplicate/", of=alike[0]["feedback"]["id"], reason="The same.").json()
    assert (told["state"], told["duplicate_of"]) == ("duplicate", str(made["wrong column"].pk))
    assert client.get("/api/feedback/?severity=major&label=sql").json()["count"] == 1
    assert client.get(path + "attachment/").status_code == 404
    assert client.get("/api/feedback/groups/").json() == []
    assert post("/api/feedback/filters/", name="A", query="state=new").status_code == 201
    assert client.get("/api/feedback/filters/").json()[0]["query"] == "state=new"
    assert post("/api/feedback/filters/drop/", name="A").status_code == 204
    shown = post("/api/feedback/preview/", content=MAIL).json()
    assert (shown["partner"], shown["is_bound"], shown["known"]) == ("acme", False, None)
    kept = post("/api/feedback/import/", content=MAIL, partner="acme")
    assert (kept.status_code, kept.json()["source"]) == (201, "email")


def test_the_command_imports_and_lists(
    access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders.login("rev", Role.PARTNER_MANAGER)
    file = tmp_path / "odd.eml"
    file.write_bytes(MAIL.encode())

    def told(*arguments: str) -> Any:
        out = StringIO()
        call_command("feedback", *arguments, "--by", "rev", "--json", stdout=out)
        return json.loads(out.getvalue())

    assert told("import", str(file))["kept"] is False and not Feedback.objects.exists()
    kept = told("import", str(file), "--confirm")
    assert kept["id"] == str(Feedback.objects.get().pk)
    assert told("list", "--partner", "acme")[0]["id"] == kept["id"]
    assert told("triage", kept["id"], "--label", "sql")["labels"] == ["sql"]
    assert told("dismiss", kept["id"], "--reason", "Known.")["state"] == "dismissed"
    assert told("alike", kept["id"]) == [] and told("groups") == []
