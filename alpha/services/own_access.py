"""What a partner's own people do: answer notices, and handle their keys where they may."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import transaction

from alpha.models import Key, NoticeRecipient, Partner, PartnerLogin
from alpha.services import keys
from alpha.services.partner_logins import actor_of
from alpha.states import NoticeKind
from infra import clock
from infra.errors import InvalidInput, InvalidMove, NotFound, NotPermitted

MOST_KEYS = 20
MOST_DAYS = 365
LONGEST_ANSWER = 20_000


def acknowledge(
    *,
    login: PartnerLogin,
    notice_id: UUID,
    resolved: bool | None = None,
    comment: str = "",
) -> NoticeRecipient:
    """Say that the notice was read and, of a fix, whether it is gone; the first word counts.

    The same as `POST /v1/notices/{id}/ack`. InvalidMove for another answer than the one before.
    """
    if len(comment) > LONGEST_ANSWER:
        raise InvalidInput("comment_too_long", f"At most {LONGEST_ANSWER:,} letters.")
    with transaction.atomic():
        row = _own_notice(login, notice_id)
        now, changed = clock.now(), []
        if resolved is not None:
            changed += _answered(row, resolved, comment)
        if row.acknowledged_at is None:
            row.acknowledged_at, row.acknowledged_by = now, login
            changed += ["acknowledged_at", "acknowledged_by"]
        row.save(update_fields=changed)
    return row


def _own_notice(login: PartnerLogin, notice_id: UUID) -> NoticeRecipient:
    rows = NoticeRecipient.objects.select_for_update(of=("self",)).select_related("notice")
    found = rows.filter(partner=login.partner_id, notice=notice_id).first()
    if found is None:
        raise NotFound("no_such_notice", "There is no such notice.")
    return found


def _answered(row: NoticeRecipient, resolved: bool, comment: str) -> list[str]:
    if row.notice.kind != NoticeKind.FIX.value:
        raise InvalidInput("nothing_asked", "This notice asks nothing: acknowledge it alone.")
    if row.answered_at is not None:
        if (row.resolved, row.answer) == (resolved, comment):
            return []
        raise InvalidMove("answered_already", "This notice was answered before.")
    row.resolved, row.answer, row.answered_at = resolved, comment, clock.now()
    return ["resolved", "answer", "answered_at"]


def issue_own_key(*, login: PartnerLogin, name: str, days: int | None) -> tuple[Key, str]:
    """A key of the login's partner; what the partner and its grants may use limits it."""
    with transaction.atomic():
        partner = _key_right(login)
        if days is not None and not 1 <= days <= MOST_DAYS:
            raise InvalidInput("bad_days", f"A key lasts 1 to {MOST_DAYS} days.")
        if len(name) > 100:
            raise InvalidInput("name_too_long", "Name the key in at most 100 letters.")
        if partner.keys.filter(revoked_at=None).count() >= MOST_KEYS:
            raise InvalidMove("too_many_keys", f"{MOST_KEYS} keys at most: revoke one first.")
        ends = clock.now() + timedelta(days=days) if days else None
        return keys.made_key(actor=actor_of(login), partner=partner, name=name, expires_at=ends)


def rotate_own_key(*, login: PartnerLogin, key_id: UUID, overlap: timedelta) -> tuple[Key, str]:
    """A successor of one of the partner's keys.

    A key with a budget of its own in all is rotated by the partner's contact: a successor counts
    from nothing.
    """
    with transaction.atomic():
        partner = _key_right(login)
        key = _own_key(partner, key_id)
        if key.budget_micros is not None or key.tokens_total is not None:
            sentence = "This key has a budget of its own: ask your contact for a new one."
            raise NotPermitted("key_has_budget", sentence)
        return keys.rotated_key(actor=actor_of(login), key=key, overlap=overlap)


def revoke_own_key(*, login: PartnerLogin, key_id: UUID, reason: str) -> Key:
    """End one of the partner's keys now."""
    with transaction.atomic():
        key = _own_key(_key_right(login), key_id)
        keys.end_key(actor=actor_of(login), key=key, reason=reason)
    return key


def _key_right(login: PartnerLogin) -> Partner:
    """The login's partner, locked, as it is now; NotPermitted where it may not."""
    partner = Partner.objects.select_for_update().get(pk=login.partner_id)
    if not partner.people_may_issue_keys:
        sentence = "Your contact issues, rotates and revokes your keys: ask there."
        raise NotPermitted("keys_by_contact", sentence)
    return partner


def _own_key(partner: Partner, key_id: UUID) -> Key:
    found = Key.objects.filter(pk=key_id, partner=partner).first()
    if found is None:
        raise NotFound("no_such_key", "There is no such key.")
    return found
