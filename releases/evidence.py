"""Evidence that `releases` itself holds, and the gathering from every source in settings.

A source is asked outside any transaction; one that fails makes its gates an error, never a pass.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from importlib.metadata import entry_points
from typing import Any

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.utils.module_loading import import_string

from infra.errors import DomainError
from infra.storage import ObjectMissing
from releases.digests import plain_json
from releases.gates import reading
from releases.gates.artifact import Identity
from releases.gates.contract import Evidence, EvidenceSource, Gate, Subject
from releases.gates.facts import GateFact
from releases.gates.soak import wanted
from releases.models import Answer, Checkpoint, Deployment, Release
from releases.occupation import Stay, occupation
from releases.replay.method_inputs import LIVE_KINDS, MethodInput, live_inputs
from releases.selectors.checkpoints import active_deployments, deployments_input
from releases.services.manifests import verify_manifest

ENTRY_POINTS = "slipway.evidence"
_FAILURES = (
    ArithmeticError,
    AttributeError,
    DomainError,
    LookupError,
    ObjectDoesNotExist,
    ObjectMissing,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


def gather_all(
    gates: Iterable[Gate], subject: Subject, now: datetime, *, fresh: bool = True
) -> tuple[GateFact, ...]:
    """Each gate with what its source found.

    `fresh` False lets a source answer from what this process read in the last minute: the
    scheduler's look every few seconds must not read every byte of every artifact again.
    """
    sources = _new_sources() if fresh else _standing_sources()
    return tuple(
        GateFact(gate=gate, evidence=_gathered(gate, subject, now, sources)) for gate in gates
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What `EVIDENCE_SOURCES` and installed packages name; `broken`: what could not be loaded."""

    loaded: tuple[EvidenceSource, ...]
    broken: tuple[str, ...]


def _gathered(gate: Gate, subject: Subject, now: datetime, sources: Sources) -> Evidence:
    source = next((source for source in sources.loaded if gate.kind in source.kinds), None)
    if source is None:
        broken = "".join(f" ({problem})" for problem in sources.broken)
        return Evidence(problem=f"no source of evidence knows the kind {gate.kind!r}{broken}.")
    try:
        return recordable(source.gather(gate, subject, now))
    except _FAILURES as error:
        what = error.message if isinstance(error, DomainError) else repr(error)
        return Evidence(problem=f"{type(source).__name__}: {what}")


def recordable(evidence: Evidence) -> Evidence:
    """The evidence as it will be recorded: it is judged so too, and a replay reads the same.

    BadEvidence for a NaN, whose name would be a text once it is recorded.
    """
    reading.reject_nan(evidence.observed)
    inputs = {str(name): str(digest) for name, digest in evidence.inputs.items()}
    return replace(evidence, observed=plain_json(evidence.observed), inputs=inputs)


def _new_sources() -> Sources:
    """Those of the settings first, so that an installed one can't take over a built-in kind."""
    named = [(path, partial(import_string, path)) for path in settings.EVIDENCE_SOURCES]
    named += [(point.value, point.load) for point in entry_points(group=ENTRY_POINTS)]
    loaded, broken = [], []
    for path, load in named:
        try:
            loaded.append(load()())
        except (AttributeError, ImportError, TypeError) as error:
            broken.append(f"{path} can't be loaded: {error}")
    return Sources(loaded=tuple(loaded), broken=tuple(broken))


@functools.cache
def _standing_sources() -> Sources:
    return _new_sources()


def gather_as_of(gate: Gate, subject: Subject, then: datetime) -> Evidence | None:
    """What a source knows of a past moment; None when its kinds keep no past."""
    source = next((s for s in _standing_sources().loaded if gate.kind in s.kinds), None)
    gather = getattr(source, "gather_as_of", None)
    if gather is None:
        return None
    try:
        return recordable(gather(gate, subject, then))
    except _FAILURES as error:
        what = error.message if isinstance(error, DomainError) else repr(error)
        return Evidence(problem=f"{type(source).__name__}: {what}")


def inputs_behind(gate: Gate, observed: Mapping[str, Any] | None) -> list[MethodInput]:
    """The statistics' calls that the recorded numbers of one gate come from; [] for none.

    A live gate carries its counts itself; a source tells of its kinds by `inputs_of`.
    """
    if not observed:
        return []
    if gate.kind in LIVE_KINDS:
        return live_inputs(gate.kind, gate.options, observed)
    source = next((s for s in _standing_sources().loaded if gate.kind in s.kinds), None)
    found: list[MethodInput] = getattr(source, "inputs_of", _no_inputs)(gate, observed)
    return found


def _no_inputs(gate: Gate, observed: Mapping[str, Any]) -> list[MethodInput]:
    return []


class ArtifactEvidence:
    """The manifest against the object store, and what the deployments answered when probed."""

    kinds = frozenset({"artifact"})
    keeps_s = 60.0

    def __init__(self) -> None:
        self._read: dict[str, tuple[float, list[dict[str, str]]]] = {}

    def gather(self, gate: Gate, subject: Subject, now: datetime) -> Evidence:
        """Every file is read again; UpstreamError when the store does not answer."""
        checkpoint = Checkpoint.objects.get(pk=subject.checkpoint_id)
        files, places = checkpoint.manifest, list(active_deployments(checkpoint.pk))
        return Evidence(
            observed={
                "n_files": len(files),
                "n_bytes": sum(int(file["size"]) for file in files),
                "problems": self._problems(checkpoint),
                "deployments": [_identity(place) for place in places],
            },
            inputs={
                f"checkpoint:{checkpoint.name}": checkpoint.checkpoint_digest,
                f"manifest:{checkpoint.artifact_uri}": checkpoint.manifest_digest,
                **deployments_input(checkpoint, places),
            },
        )

    def _problems(self, checkpoint: Checkpoint) -> list[dict[str, str]]:
        key = f"{checkpoint.artifact_uri} {checkpoint.manifest_digest}"
        read_at, found = self._read.get(key, (-self.keeps_s, []))
        if time.monotonic() - read_at >= self.keeps_s:
            differences = verify_manifest(checkpoint)
            found = [{"path": d.observed["path"], "problem": d.sentence} for d in differences]
            self._read[key] = (time.monotonic(), found)
        return found


def _identity(place: Deployment) -> dict[str, str]:
    known = place.fingerprint is not None and not place.probe_skipped_reason
    identity = Identity.VERIFIED if known else Identity.UNVERIFIABLE
    return {"name": f"{place.upstream_model} at {place.base_url}", "identity": identity.value}


class SoakEvidence:
    """How long the checkpoint was live in the stages that a gate names."""

    kinds = frozenset({"soak"})

    def gather_as_of(self, gate: Gate, subject: Subject, then: datetime) -> Evidence:
        return self.gather(gate, subject, then)

    def gather(self, gate: Gate, subject: Subject, now: datetime) -> Evidence:
        """One entry a stage; a stage where it never was has a stay of zero."""
        branches, _ = wanted(gate.options)
        stays: dict[str, list[Stay]] = {branch.stage: [] for branch in branches}
        releases = Release.objects.filter(
            checkpoint_id=subject.checkpoint_id,
            stage__pipeline_id=subject.pipeline_id,
            stage__name__in=stays,
            started_at__lte=now,
        ).select_related("stage")
        for release in releases:
            ends = [at for at in (release.halted_at, release.ended_at) if at and at <= now]
            stays[release.stage.name].append(
                Stay(since=release.started_at, until=min(ends, default=None))
            )
        return Evidence(observed={"stages": {n: _stayed(found) for n, found in stays.items()}})


def _stayed(stays: list[Stay]) -> dict[str, Any]:
    found = occupation(stays)
    return {
        "longest_s": found.longest.total_seconds(),
        "since": found.since.isoformat() if found.since else None,
    }


class AnswerEvidence:
    """What people answered to a `sign_off` or `manual` gate of this promotion."""

    kinds = frozenset({"sign_off", "manual"})

    def gather(self, gate: Gate, subject: Subject, now: datetime) -> Evidence:
        """No answer yet is an empty list."""
        answers = Answer.objects.filter(
            promotion_id=subject.promotion_id, gate_id=gate.id
        ).select_related("person")
        return Evidence(
            observed={
                "answers": [
                    {
                        "person": answer.person.name,
                        "yes": answer.yes,
                        "comment": answer.comment,
                        "answered_at": answer.answered_at.isoformat(),
                    }
                    for answer in answers.order_by("answered_at")
                ]
            }
        )
