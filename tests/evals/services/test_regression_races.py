"""Two people make the same remark a case at the same moment."""

from __future__ import annotations

from threading import Barrier, Thread

from django.db import connections

from evals.models import Case
from evals.services import regression
from infra.errors import DomainError
from tests import builders as shared
from tests.alpha import builders as alpha
from tests.evals import builders
from tests.evals.services.test_regression import found, planned, wish
from tests.evals.training import world


def test_two_at_once_make_one_case(committed_db: str) -> None:
    version = builders.published(3)
    of = alpha.access()
    remark = world.corrected(of, "word-0", "word-0")
    asked = wish(found(of, remark), version, remark)
    owner, digest = shared.cast().eval_owner, planned(asked).digest
    gate, said = Barrier(2), []

    def both() -> None:
        gate.wait()
        try:
            regression.make(actor=owner, wish=asked, digest=digest, reason="x")
            said.append("made")
        except DomainError as refusal:
            said.append(refusal.code)
        finally:
            connections.close_all()

    threads = [Thread(target=both) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(said)[1:] == ["made"] and len(said) == 2
    assert Case.objects.filter(feedback=remark).count() == 1
