"""Notices: what partners of a stage are told, and the recall of a checkpoint."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q

from alpha.exposure import exposed_to
from alpha.models import Notice, NoticeRecipient, Partner
from alpha.states import NoticeKind
from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove
from infra.roles import Role
from releases.models import Checkpoint, Codename, Release, Stage
from releases.services.releases import demote_release

SUBJECT_LENGTH, TEXT_LENGTH = 200, 20_000
Codenames = Mapping[Partner, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What partners read: a subject and a text, without the name of any checkpoint."""

    subject: str
    text: str


def send_notice(*, actor: Actor, stage: Stage, message: Message) -> Notice:
    """Tell every partner that holds a grant to the stage; InvalidMove when none does."""
    actor.must("send notices", Role.PARTNER_MANAGER, Role.RELEASE_MANAGER)
    names = tuple(Codename.objects.filter(stage=stage).values_list("name", flat=True))
    holds = Q(grants__stage=stage, grants__revoked_at=None)
    joined = Q(cohorts__grants__stage=stage, cohorts__grants__revoked_at=None)
    holders = Partner.objects.filter(holds | joined, ended_at=None).distinct()
    served = Checkpoint.objects.filter(releases__stage=stage).distinct()
    _must_name_none(message, served.values_list("name", flat=True))
    with transaction.atomic():
        to = dict.fromkeys(holders, names)
        return _send(actor, NoticeKind.CHANGE, message, to, stage=stage)


def recall(*, actor: Actor, checkpoint: Checkpoint, message: Message) -> Notice:
    """Take the checkpoint out of every stage, and tell all whom it has served.

    While it is live somewhere, only a release manager may: a recall demotes. InvalidMove when it
    has served nobody.
    """
    actor.must("recall checkpoints", Role.PARTNER_MANAGER, Role.RELEASE_MANAGER)
    _must_name_none(message, [checkpoint.name])
    with transaction.atomic():
        live = Release.objects.filter(checkpoint=checkpoint, ended_at=None)
        for release in live.select_related("stage__pipeline").order_by("stage_id", "pk"):
            reason = f"Recalled: {message.subject}"
            demote_release(actor=actor, release=release, reason=reason)
        to = {one.partner: one.codenames for one in exposed_to(checkpoint)}
        return _send(actor, NoticeKind.RECALL, message, to, checkpoint=checkpoint)


def _send(
    actor: Actor,
    kind: NoticeKind,
    message: Message,
    to: Codenames,
    *,
    stage: Stage | None = None,
    checkpoint: Checkpoint | None = None,
) -> Notice:
    person_id = actor.must_be_person("send a notice")
    _check(message)
    if not to:
        whom = f"{stage} has no partner" if stage else f"{checkpoint} has served no partner"
        raise InvalidMove("nobody_to_tell", f"{whom}: there is nobody to tell.")
    notice = Notice.objects.create(
        kind=kind.value,
        subject=message.subject.strip(),
        text=message.text,
        stage=stage,
        checkpoint=checkpoint,
        sent_by_id=person_id,
        sent_at=clock.now(),
    )
    NoticeRecipient.objects.bulk_create(
        NoticeRecipient(notice=notice, partner=partner, codenames=list(names))
        for partner, names in to.items()
    )
    facts = {"kind": kind.value, "partners": sorted(partner.name for partner in to)}
    audit.record(actor=actor, action="notice.sent", subject=notice, after=facts)
    return notice


def _must_name_none(message: Message, names: Iterable[str]) -> None:
    """Partners know codenames alone."""
    words = set(re.split(r"[^a-z0-9._-]+", f"{message.subject} {message.text}".lower()))
    words |= {word.strip(".-_") for word in words}
    for name in names:
        if name.lower() in words:
            sentence = f"The notice names {name}: write the codename that partners know."
            raise InvalidInput("names_checkpoint", sentence)


def _check(message: Message) -> None:
    if not message.subject.strip() or len(message.subject) > SUBJECT_LENGTH:
        limit = f"Give the notice a subject of at most {SUBJECT_LENGTH} letters."
        raise InvalidInput("subject_missing", limit)
    if not message.text.strip() or len(message.text) > TEXT_LENGTH:
        limit = f"Write what partners should know, in at most {TEXT_LENGTH:,} letters."
        raise InvalidInput("text_missing", limit)
