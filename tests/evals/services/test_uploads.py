"""Files that wait to be confirmed: once, by who sent them, for a day."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection

from evals.formats.sent_files import SentFile
from evals.models import SuiteVersion, Upload
from evals.services import uploads
from infra import clock
from infra.errors import NotFound, NotPermitted
from tests import builders

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
