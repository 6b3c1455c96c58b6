"""One installation with something on every page: the story that the browser walks through."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from alpha.models import Feedback, Finding, Notice, Partner, PreferenceSession, UsageEvent
from alpha.services import feedback as inbox
from alpha.services import findings, grants, keys, partner_logins, partners, terms
from alpha.services.findings import Weakness
from alpha.services.preference_answers import Asked, keep_text
from alpha.states import FeedbackState, NoticeKind
from evals import outputs
from evals.catalogues import catalogue_of
from evals.formats.sent_files import SentFile
from evals.models import Comparison, Result, Run, RunSet, SuiteVersion, TrainingExport, Upload
from evals.runner import early_stops
from evals.selectors import run_orders, runs
from evals.services import calibrations, health, judges, labels, replays, run_sets, uploads
from evals.services import runs as run_services
from evals.services import training as exports
from evals.services.calibrations import Verdict
from evals.services.comparisons import compare
from evals.services.judges import JudgeSpec
from evals.services.training import Wanted
from evals.states import ResultState, RunState, ShardState
from evals.training.contract import TrainingKind
from infra import clock, invitations, lockouts, people, webhooks
from infra.ids import uuid7
from infra.models import SignInFailures, User, WebhookAttempt, WebhookDelivery
from infra.notifications import reader
from infra.roles import Role
from releases.gates.severity import Severity
from releases.models import (
    Checkpoint,
    Codename,
    Forecast,
    ForecastObservation,
    Promotion,
    Release,
    Stage,
)
from releases.services import holds
from tests import builders
from tests.alpha import votes
from tests.alpha.builders import month_of
from tests.builders import Cast
from tests.console import probes
from tests.console.probes import Probes
from tests.evals import builders as evals
from tests.evals.training import world as training
from tests.releases import story

CANARY = (
    "<img src=x onerror=\"document.title='pwned'\"> {{ 7|add:7 }} \u202egnp.exe\u202c \x1b[31mred"
    "<svg onload=document.title='pwned'> [it](javascript:document.title='pwned')"
)
PARTNER_PERSON = "ada@acme.example"
N_CASES = 60
RECORDED = Path(__file__).parent.parent / "evals/formats/promptfoo_recorded"
CONFIG, RESULTS = RECORDED / "promptfooconfig.yaml", RECORDED / "results.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the pages are asked for."""

    cast: Cast
    incumbent: Checkpoint
    candidate: Checkpoint
    internal: Stage
    alpha: Stage
    production: Stage
    suite: SuiteVersion
    run: Run
    running: Run
    settled: Run
    replay: Run
    comparison: Comparison
    night: RunSet
    evening: RunSet
    waiting: Promotion
    decided: Promotion
    partner: Partner
    feedback: Feedback
    finding: Finding
    probes: Probes
    notice: Notice
    side_by_side: PreferenceSession
    login: User
    delivery: WebhookDelivery
    upload: Upload
    training_export: TrainingExport


def build(folder: Path) -> World:
    """Everything, through the services where there is one."""
    cast = builders.cast()
    reader.read_on()
    superuser = _superuser()
    suite = evals.published(N_CASES)
    internal, alpha, production = _stages()
    incumbent = story.stored_checkpoint("chat-nano-1", str(folder))
    candidate = story.stored_checkpoint(
        "chat-nano-2-a-name-that-is-rather-long", str(folder), parent=incumbent
    )
    old = completed(suite, incumbent, 0.55)
    new = completed(suite, candidate, 0.80)
    running = evals.start(suite, candidate)
    settled = _settled(suite, candidate, old)
    _codename(alpha)
    story.promoted(cast, incumbent, internal)
    decided = story.promoted(cast, incumbent, alpha)
    story.promoted(cast, candidate, internal)
    waiting = story.requested(cast.release_manager, candidate, alpha)
    story.requested(cast.engineer, incumbent, production)
    holds.place_hold(
        actor=cast.behaviour_reviewer, stage=production, reason="Red team is not done."
    )
    partner = _partner(cast, alpha)
    feedback = _feedback(cast, partner)
    _judge(cast, new)
    _ways_in(superuser)
    _webhooks(cast, folder)
    upload = _uploads(superuser, new.checkpoint)
    _forecasts(waiting)
    health.measure_due()
    finding = _finding(cast, feedback)
    reader.read_on()
    reader.look_ahead()
    return World(
        cast=cast,
        incumbent=incumbent,
        candidate=candidate,
        internal=internal,
        alpha=alpha,
        production=production,
        suite=suite,
        run=new,
        running=running,
        settled=settled,
        replay=_replay(cast, incumbent, candidate),
        comparison=compare(candidate_run=new, baseline_run=old),
        night=_run_set(incumbent, new, "nightly"),
        evening=_run_set(incumbent, running, "evening"),
        waiting=waiting,
        decided=decided,
        partner=partner,
        feedback=feedback,
        finding=finding,
        probes=probes.build(cast, finding, candidate, CANARY),
        notice=_notice(cast, candidate, partner),
        side_by_side=_side_by_side(superuser, partner, candidate, incumbent, folder),
        login=superuser,
        delivery=webhooks.deliveries(endpoint="old")[0],
        upload=upload,
        training_export=_training_export(cast, partner, incumbent),
    )


def _replay(cast: Cast, incumbent: Checkpoint, candidate: Checkpoint) -> Run:
    """Both on a public set of which every third conversation loops."""
    grader = {"type": "regex", "pattern": "loop", "negate": True}
    said = {"sentence": f"It repeats itself. {CANARY}", "severity": "major", "grader": grader}
    made = replays.import_set(
        actor=cast.eval_owner,
        name="night",
        lines=[json.dumps({"messages": [{"role": "user", "content": CANARY}]})] * 40,
        catalogue=catalogue_of({"modes": [{"mode": "loops", **said}, {"mode": "swears", **said}]}),
    ).replay_set
    return [_replayed(made.version, one, n) for n, one in ((3, incumbent), (4, candidate))][1]


def _replayed(version: SuiteVersion, checkpoint: Checkpoint, every: int) -> Run:
    run = evals.start(version, checkpoint)
    Run.objects.filter(pk=run.pk).update(state=RunState.RUNNING.value, started_at=clock.now())
    for at, case in enumerate(version.cases.all()):
        row = _result(run, case, bool(at % every))
        row.components = {
            "loops": {"score": row.score, "explanation": CANARY},
            "swears": {"score": 1.0, "explanation": ""},
        }
        row.save(force_insert=True)
    for state in (ShardState.RUNNING, ShardState.DONE):
        run.shards.update(state=state.value)
    assert run_services.finish_run(run_id=run.pk)
    return runs.run_with_id(run.pk)


def _forecasts(waiting: Promotion) -> None:
    """What was predicted: one that came true, one that did not, one that nobody knows yet."""
    now = clock.now()
    for name, observed in (("held", 0.025), ("missed", 0.2), (f"waits {CANARY}", None)):
        row = Forecast.objects.create(
            promotion=waiting, kind="failure_mode", name=name, predicted=0.02, lo=0.01, hi=0.04,
            n=400, basis=f"replayed conversations {CANARY}", predicted_at=now,
        )  # fmt: skip
        if observed is not None:
            ForecastObservation.objects.create(
                forecast=row, observed=observed, lo=observed / 2, hi=2 * observed, n=600,
                since=now, until=now, basis="seen", agrees=observed < 0.1, inside=observed < 0.04,
                factor=observed / 0.02, observed_at=now,
            )  # fmt: skip


def _run_set(baseline: Checkpoint, run: Run, name: str) -> RunSet:
    """A set of that one run, reported when it is over."""
    made = RunSet.objects.create(
        name=name, baseline=baseline, margin=0.05, started_by="Eve", created_at=clock.now()
    )
    Run.objects.filter(pk=run.pk).update(run_set=made)
    run_sets.report_on(made.pk)
    return made


def _webhooks(cast: Cast, folder: Path) -> None:
    """One who listens, and one who no longer does; with a call that failed."""
    secret = folder / "webhook-secret"
    secret.write_text(webhooks.new_secret())
    for name, url in (("ops", "https://hooks.example/slipway"), ("old", "https://old.example/x")):
        webhooks.add_endpoint(
            actor=cast.release_manager, name=name, url=url, secret_ref=f"file:{secret}"
        )
    old = webhooks.endpoint_named("old")
    webhooks.tell(event="test.told", subject=old, data={})
    webhooks.enable_endpoint(
        actor=cast.release_manager, endpoint=old, enabled=False, reason="It moved."
    )
    WebhookAttempt.objects.create(
        delivery=webhooks.deliveries().filter(endpoint=old)[0],
        at=clock.now(),
        status=500,
        problem=f"It answered 500: {CANARY}",
        duration_ms=83.0,
    )


def _ways_in(superuser: User) -> None:
    """Invitations that are open and taken back; a stranger and an address that are locked out."""
    actor = people.actor_of_login(superuser)
    for email, name in (("nia@example.org", "Nia Bello"), ("lost@example.org", CANARY)):
        row, _ = invitations.invite(actor=actor, email=email, name=name, roles=[Role.AUDITOR])
    invitations.revoke_invitation(actor=actor, invitation_id=row.pk, reason="A slip.")
    for _ in range(lockouts.limit_of("login")):
        lockouts.failed(lockouts.begin(username=CANARY, address="192.0.2.44"))
    SignInFailures.objects.create(
        kind="address",
        subject="198.51.100.7",
        n_failed=50,
        ends_at=clock.now() + timedelta(hours=1),
    )


def _uploads(login: User, checkpoint: Checkpoint) -> Upload:
    """Files that wait to be confirmed: a suite of which much can't be held, and results."""
    actor = people.actor_of_login(login)
    files = [SentFile(name=path.name, content=path.read_bytes()) for path in (CONFIG, RESULTS)]
    uploads.send_run(
        actor=actor, checkpoint=checkpoint, format_name="promptfoo", files=files[1:], suite=""
    )
    return uploads.send_suite(
        actor=actor, name="capitals", format_name="promptfoo", files=files, main=CONFIG.name
    )


def _superuser() -> User:
    login = people.ensure_login(
        username="admin",
        name="Ada Admin",
        email="admin@example.org",
        roles=tuple(Role),
        password=builders.PASSWORD,
    )
    login.is_superuser = True
    login.save(update_fields=["is_superuser"])
    return login


def _stages() -> tuple[Stage, Stage, Stage]:
    baseline = {"stage": "closed-alpha"}
    compared = {"kind": "eval_no_regression", "suite": "echo", "baseline": baseline}
    internal = story.stage(story.ARTIFACT, name="internal")
    alpha = story.stage(
        story.ARTIFACT,
        {"id": "floor", "kind": "eval_floor", "suite": "echo", "node": "", "at_least": 0.3},
        {"id": "tight", **compared, "margin": 0.001, "shadow": True},
        {"id": "fresh", "kind": "eval_fresh", "suite": "echo"},
        story.SIGN_OFF,
        name="closed-alpha",
    )
    soaked = {"id": "soak", "kind": "soak", "all": [{"stage": "closed-alpha", "soak": "7d"}]}
    return internal, alpha, story.stage(soaked, name="production")


def completed(version: SuiteVersion, checkpoint: Checkpoint, share_right: float) -> Run:
    """A finished run whose answers are right about that often; the same every time."""
    run = evals.start(version, checkpoint)
    run.state, run.started_at = RunState.RUNNING.value, clock.now()
    run.save(update_fields=["state", "started_at"])
    dice = random.Random(checkpoint.name)
    rows = [_result(run, case, dice.random() < share_right) for case in version.cases.all()]
    Result.objects.bulk_create(rows)
    for state in (ShardState.RUNNING, ShardState.DONE):
        run.shards.update(state=state.value)
    assert run_services.finish_run(run_id=run.pk)
    run.refresh_from_db()
    return run


def _settled(version: SuiteVersion, checkpoint: Checkpoint, against: Run) -> Run:
    """A run that was surely worse after a part of its cases, and skipped the rest."""
    run = evals.start(version, checkpoint, stop_early_against=against, stop_margin=0.0)
    Run.objects.filter(pk=run.pk).update(state=RunState.RUNNING.value, started_at=clock.now())
    order = [case_id for unit in run_orders.units_of(run) for case_id in unit]
    cases = {case.case_id: case for case in version.cases.all()}
    n_asked = len(order) - 4
    Result.objects.bulk_create(_result(run, cases[name], False) for name in order[:n_asked])
    assert early_stops.look_at(run.pk)
    run = runs.run_with_id(run.pk)
    Result.objects.bulk_create(
        Result(
            run=run, case=cases[name], repeat=0, state=ResultState.SKIPPED.value, output=b"",
            explanation=run.early_stop.sentence, n_calls=0, recorded_at=clock.now(),
        )
        for name in order[n_asked:]
    )  # fmt: skip
    Run.objects.filter(pk=run.pk).update(ended_because=run.early_stop.sentence)
    for state in (ShardState.RUNNING, ShardState.DONE):
        run.shards.update(state=state.value)
    assert run_services.finish_run(run_id=run.pk)
    return runs.run_with_id(run.pk)


def _result(run: Run, case: Any, right: bool) -> Result:
    text = case.target if right else CANARY
    score = 1.0 if right else 0.0
    return Result(
        run=run,
        case=case,
        repeat=0,
        state=(ResultState.PASSED if right else ResultState.FAILED).value,
        score=score,
        components={label: {"score": score, "explanation": text} for label in case.components},
        explanation=f"expected {case.target}, got {text}",
        output=outputs.pack(outputs.Output(text=text, finish_reason="stop")),
        tokens_in=20,
        tokens_out=5,
        cost_micros=12,
        latency_ms=210.0,
        recorded_at=clock.now(),
    )


def _judge(cast: Cast, run: Run) -> None:
    """A judge that people labelled some answers for."""
    version = judges.make_version(
        actor=cast.eval_owner,
        spec=JudgeSpec(
            name="tone",
            question=f"Is the answer kind? {CANARY}",
            choices={"good": 1.0, "bad": 0.0},
            model="judge-model",
            prompt=[{"role": "user", "content": "Is this kind? {{sample.output_text}}"}],
            owner="eval_owner@example.org",
        ),
    ).version
    items = labels.draw_items(actor=cast.eval_owner, judge=version.judge, run=run, n_cases=30)
    for at, item in enumerate(items[:12]):
        choice = "bad" if at % 3 else "good"
        for actor in (cast.eval_owner, cast.engineer):
            labels.give_label(actor=actor, item=item, choice=choice)
    verdicts = [
        Verdict(item=item, choice="bad" if at % 4 else "good") for at, item in enumerate(items[:12])
    ]
    calibrations.keep_verdicts(version, verdicts)
    calibrations.calibrate(actor=cast.eval_owner, version=version)


def _codename(stage: Stage) -> None:
    Codename.objects.create(stage=stage, size="nano", name="quasar-alpha", opens_at=clock.now())


def _partner(cast: Cast, stage: Stage) -> Partner:
    actor = cast.partner_manager
    partner = partners.make_partner(actor=actor, name="acme", contact_email="dev@acme.example")
    cohort = partners.make_cohort(actor=actor, name="design-partners")
    partners.join_cohort(actor=actor, cohort=cohort, partner=partner)
    consent = grants.Consent(terms_version="1", accepted_by="Ada")
    quotas = grants.Quotas(requests_per_minute=60)
    grant = grants.make_grant(
        actor=actor, stage=stage, partner=partner, consent=consent, quotas=quotas
    )
    key, _ = keys.issue_key(actor=actor, partner=partner, name="laptop")
    _people(cast, partner)
    release = Release.objects.get(stage=stage, ended_at=None)
    for number in range(3):
        identifier = uuid7()
        UsageEvent.objects.create(
            month=month_of(identifier),
            request_id=identifier,
            partner=partner,
            key=key,
            grant=grant,
            unit="u" * 32,
            stage=stage,
            release=release,
            checkpoint=release.checkpoint,
            deployment=release.checkpoint.deployments.get(),
            arm="incumbent",
            codename="quasar-alpha",
            endpoint="chat/completions",
            streamed=bool(number),
            state="succeeded",
            http_status=200,
            tokens_in=30,
            tokens_out=10,
            tokens_cached=0,
            tokens_in_shown=12,
            cost_micros=42,
            currency="USD",
            total_ms=640.5,
            first_token_ms=80.0,
            started_at=clock.now(),
            ended_at=clock.now(),
        )
    return partner


def _people(cast: Cast, partner: Partner) -> None:
    """Somebody who is in, somebody who is invited, and the terms they read."""
    actor = cast.partner_manager
    for email in (PARTNER_PERSON, "bo@acme.example"):
        _, secret = partner_logins.invite(actor=actor, partner=partner, email=email)
        if email == PARTNER_PERSON:
            name = f"Ada {CANARY}"
            partner_logins.accept_invitation(secret=secret, name=name, password=builders.PASSWORD)
    terms.publish_terms(actor=actor, version="2026-1", text=f"Be kind to it. {CANARY}")


def _feedback(cast: Cast, partner: Partner) -> Feedback:
    event = UsageEvent.objects.filter(partner=partner).first()
    inbox.enter_feedback(
        actor=cast.partner_manager, partner=partner, comment="It forgot the WHERE clause."
    )
    made = inbox.enter_feedback(
        actor=cast.partner_manager,
        partner=partner,
        comment=f"Kind of weird in this one use case. {CANARY}",
        request_id=event.request_id,
        thumbs_up=False,
        correction="word-3",
    )
    assert made.state == FeedbackState.NEW.value
    return made


def _notice(cast: Cast, checkpoint: Checkpoint, partner: Partner) -> Notice:
    """A recall written by hand: a real one would take the checkpoint out of its stages."""
    made = Notice.objects.create(
        kind=NoticeKind.RECALL.value,
        subject=f"Withdrawn {CANARY}",
        text=f"Unsafe. {CANARY}",
        checkpoint=checkpoint,
        sent_by_id=cast.partner_manager.person_id,
        sent_at=clock.now(),
    )
    made.recipients.create(partner=partner, codenames=["quasar-alpha"])
    return made


def _side_by_side(
    login: User, partner: Partner, candidate: Checkpoint, incumbent: Checkpoint, folder: Path
) -> PreferenceSession:
    """Votes on the candidate, and two answers that wait for the superuser's."""
    who = [*votes.raters(6), partner]
    votes.votes(candidate, incumbent, [1.0, 0.5, 1.0, 0.0, 1.0] * 8, who)
    older = story.stored_checkpoint("chat-nano-0", str(folder))
    waiting = votes.session(login.person, older, incumbent, prompt="w")
    asked = Asked(messages=[{"role": "user", "content": f"Which tables? {CANARY}"}])
    called = [{"name": "look", "arguments": '{"at": "it"}'}]
    shown = [
        {"content": f"Two of them. {CANARY} " * 20, "tool_calls": []},
        {"content": "", "tool_calls": called},
    ]
    keep_text(waiting, asked, shown, is_kept=True)
    return waiting


def _finding(cast: Cast, feedback: Feedback) -> Finding:
    weakness = Weakness(
        title=f"Wrong column in tables {CANARY}", severity=Severity.MAJOR, text=f"Seen. {CANARY}"
    )
    made = findings.open_finding(
        actor=cast.behaviour_reviewer, weakness=weakness, feedback=[feedback]
    )
    return findings.confirm_finding(actor=cast.eval_owner, finding=made, reason="Seen twice.")


def _training_export(cast: Cast, partner: Partner, checkpoint: Checkpoint) -> TrainingExport:
    """A correction of a kept call, and one of a call without text, as preference rows."""
    for number, text in enumerate((training.said(f"word-3 {CANARY}", CANARY), None)):
        request_id = uuid7()
        if text is not None:
            training.keep(partner, request_id, text)
        Feedback.objects.create(
            partner=partner,
            request_id=request_id,
            state=FeedbackState.NEW.value,
            comment=f"Wrong again, call {number}. {CANARY}",
            correction="word-3",
            checkpoint=checkpoint,
            received_at=clock.now(),
        )
    wanted = Wanted(kind=TrainingKind.DPO, validation_share=0)
    return exports.make_export(actor=cast.eval_owner, wanted=wanted)
