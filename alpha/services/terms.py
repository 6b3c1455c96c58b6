"""What partners agree to: published in full, and accepted by one of their people."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q

from alpha.models import Grant, PartnerLogin, Terms, TermsAcceptance
from alpha.services.partner_logins import actor_of
from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove, NotFound
from infra.roles import Role

LONGEST_TEXT = 200_000


def publish_terms(*, actor: Actor, version: str, text: str) -> Terms:
    """A version of the terms, for good; InvalidMove when there is one of that name."""
    actor.must("publish terms", Role.PARTNER_MANAGER, Role.RELEASE_MANAGER)
    version = version.strip()
    if not version or len(version) > 40:
        raise InvalidInput("version_missing", "Name the version in at most 40 letters: 2026-1.")
    if not text.strip() or len(text) > LONGEST_TEXT:
        limit = f"Give the terms in full, in at most {LONGEST_TEXT:,} letters."
        raise InvalidInput("text_missing", limit)
    with transaction.atomic():
        terms, made = Terms.objects.get_or_create(
            version=version,
            defaults={
                "text": text,
                "published_at": clock.now(),
                "published_by_id": actor.person_id,
            },
        )
        if not made:
            raise InvalidMove("terms_exist", f"Terms {version} are published: name another.")
        audit.record(
            actor=actor, action="terms.published", subject=terms, after={"length": len(text)}
        )
    return terms


def terms_asked(grant: Grant) -> Terms | None:
    """What has to be accepted for the grant: its version, the newest where it names none.

    None where the version's text is not published here: its acceptance is recorded by a manager.
    """
    if grant.terms_version:
        return Terms.objects.filter(version=grant.terms_version).first()
    return Terms.objects.order_by("-published_at").first()


def accept_own_terms(*, login: PartnerLogin, grant: Grant, version: str) -> TermsAcceptance:
    """One person's word for its partner; its calls are let in within a second.

    InvalidMove when `version` is not what the grant asks by now: nobody accepts unread terms.
    """
    with transaction.atomic():
        kept = _own_grant(login, grant)
        terms = terms_asked(kept)
        if terms is None or terms.version != version:
            raise InvalidMove("terms_changed", "Other terms are asked by now: read them first.")
        accepted, made = TermsAcceptance.objects.get_or_create(
            grant=kept,
            partner=login.partner,
            terms=terms,
            defaults={"login": login, "accepted_at": clock.now()},
        )
        if made:
            _note_on_own(kept, accepted)
            audit.record(
                actor=actor_of(login),
                action="grant.terms_accepted",
                subject=kept,
                after={"version": terms.version, "by": login.email, "partner": login.partner.name},
            )
    return accepted


def _own_grant(login: PartnerLogin, grant: Grant) -> Grant:
    """The grant, locked, if it serves the login's partner; NotFound as for any other."""
    mine = Q(partner=login.partner_id) | Q(cohort__members__partner=login.partner_id)
    own = Grant.objects.filter(mine, pk=grant.pk, revoked_at=None).values("pk")
    found = Grant.objects.select_for_update().filter(pk__in=own).first()
    if found is None:
        raise NotFound("no_such_grant", "There is no such access any more.")
    return found


def _note_on_own(grant: Grant, accepted: TermsAcceptance) -> None:
    """A partner's own grant says who accepted; a cohort's is not one partner's to accept."""
    if grant.partner_id is None or grant.terms_accepted_at is not None:
        return
    grant.terms_version = accepted.terms.version
    grant.terms_accepted_by = str(accepted.login.name)[:200]
    grant.terms_accepted_at = accepted.accepted_at
    grant.save(update_fields=["terms_version", "terms_accepted_by", "terms_accepted_at"])
