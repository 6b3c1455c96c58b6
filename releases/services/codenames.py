"""What partners call a release, by its stage's `on_promote`."""

from __future__ import annotations

from datetime import datetime

from releases.models import Codename, Release
from releases.states import OnPromote


def name_for_release(release: Release, now: datetime, beside: Release | None = None) -> None:
    """With `keep` nothing changes; with `new` the checkpoint gets a codename of its own.

    A checkpoint that returns gets back the codename it had; the name of the checkpoint on the
    other arm, `beside`, stays open too. Part of the release's transaction.
    """
    policy = release.stage.policy
    base = (policy.get("codenames") or {}).get(release.size)
    if not base or OnPromote(policy.get("on_promote", OnPromote.KEEP)) is OnPromote.KEEP:
        return
    own = _codename_of(release, base, now)
    others = Codename.objects.filter(
        stage=release.stage, size=release.size, ends_at__isnull=True
    ).exclude(pk=own.pk)
    if beside is not None:
        others = others.exclude(checkpoint=beside.checkpoint_id)
    others.update(ends_at=now)


def _codename_of(release: Release, base: str, now: datetime) -> Codename:
    rows = Codename.objects.filter(stage=release.stage, size=release.size)
    own = rows.filter(checkpoint=release.checkpoint).first()
    if own is not None:
        own.ends_at = None
        own.save(update_fields=["ends_at"])
        return own
    unused = rows.filter(name=base, checkpoint__isnull=True).first()
    if unused is not None:
        unused.checkpoint, unused.ends_at = release.checkpoint, None
        unused.save(update_fields=["checkpoint", "ends_at"])
        return unused
    return Codename.objects.create(
        stage=release.stage,
        size=release.size,
        name=_free_name(base),
        opens_at=now,
        checkpoint=release.checkpoint,
    )


def _free_name(base: str) -> str:
    taken = set(Codename.objects.filter(name__startswith=base).values_list("name", flat=True))
    number = 1
    while (name := base if number == 1 else f"{base}-{number}") in taken:
        number += 1
    return name
