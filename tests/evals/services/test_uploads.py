"""Files that wait to be confirmed: once, by who sent them, for a day."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from evals.formats.sent_files import SentFile
from evals.models import SuiteVersion, Upload
from evals.services import uploads
from infra import clock
from infra.errors import DomainError, InvalidInput, NotFound, NotPermitted
from tests import builders
from tests.evals.formats.test_sent_files import SPOILED

CONFIG = Path(__file__).parent.parent / "formats/promptfoo_recorded/promptfooconfig.yaml"


def sent_by_service(n: int = 1) -> list[Upload]:
    files = [SentFile(name=CONFIG.name, content=CONFIG.read_bytes())]
    return [
        uploads.send_suite(
            actor=builders.cast().eval_owner, name="capitals", format_name="promptfoo", files=files
        )
        for _ in range(n)
    ]


@pytest.mark.django_db
def test_what_nobody_confirms_goes() -> None:
    sent_by_service(uploads.MOST_WAITING + 2)
    assert Upload.objects.count() == uploads.MOST_WAITING
    assert uploads.drop_old() == 0
    with clock.moved_by(timedelta(hours=25)):
        assert uploads.drop_old() == uploads.MOST_WAITING


@pytest.mark.django_db
def test_a_role_lost_in_between_confirms_nothing() -> None:
    made = sent_by_service()[0]
    actor = replace(builders.cast().eval_owner, roles=frozenset())
    with pytest.raises(NotPermitted):
        uploads.confirm(actor=actor, upload=made)
    assert Upload.objects.exists()


def test_two_confirmations_at_once_make_one_version(committed_db: str) -> None:
    made = sent_by_service()[0]
    actor = builders.cast().eval_owner

    def once(_: int) -> str:
        try:
            return str(uploads.confirm(actor=actor, upload=made).version)
        except NotFound as gone:
            return gone.code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(once, range(2))) == ["capitals@1", "no_such_upload"]
    assert SuiteVersion.objects.count() == 1


@pytest.mark.django_db
def test_spoiled_files_are_imported_or_refused_and_nothing_else() -> None:
    actor, checkpoint = builders.cast().eval_owner, builders.checkpoint()
    dice, n_made = random.Random(3), 0
    for name, made, is_run in SPOILED:
        for _ in range(10):
            about = {"actor": actor, "format_name": name, "files": made(dice)}
            try:
                with transaction.atomic():
                    if is_run:
                        sent = uploads.send_run(checkpoint=checkpoint, suite=f"s{n_made}", **about)
                    else:
                        sent = uploads.send_suite(name=f"s{n_made}", **about)
                    uploads.confirm(actor=actor, upload=sent)
                    n_made += 1
            except DomainError as refusal:
                assert refusal.http_status == 400, refusal
    assert n_made > 3, "too little was left whole to say anything"


UNSTORABLE: list[tuple[str, dict[str, Any]]] = [
    ("description", {"description": "a\x00b"}),
    ("components", {"tests": [{"assert": [{"type": "equals", "value": "1", "metric": "m\x00"}]}]}),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("field", "spoiled"), UNSTORABLE)
def test_text_that_cannot_be_stored_is_named(field: str, spoiled: dict[str, Any]) -> None:
    tests = [{"assert": [{"type": "equals", "value": "1"}]}]
    whole = {"prompts": ["Say 1"], "providers": ["x"], "tests": tests, **spoiled}
    files = [SentFile(name="c.yaml", content=json.dumps(whole).encode())]
    with pytest.raises(InvalidInput, match="NUL character"):
        uploads.send_suite(
            actor=builders.cast().eval_owner, name="bad", format_name="promptfoo", files=files
        )


@pytest.mark.django_db
@pytest.mark.parametrize("spoiled", [{"prompt": {"a": []}}, {"prompt": -1}, {"completion": 2**40}])
def test_what_is_no_count_in_a_log_is_named(spoiled: dict[str, Any]) -> None:
    whole = json.loads((CONFIG.parent / "results.json").read_bytes())
    row = whole["results"]["results"][0]
    row["response"] = {**row["response"], "tokenUsage": spoiled}
    files = [SentFile(name="r.json", content=json.dumps(whole).encode())]
    with pytest.raises(InvalidInput, match="which is no count"):
        uploads.send_run(
            actor=builders.cast().eval_owner,
            checkpoint=builders.checkpoint(),
            format_name="promptfoo",
            files=files,
        )
