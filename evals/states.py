"""Words and lifecycles of suites, runs and results. Pure."""

from __future__ import annotations

from enum import StrEnum


class VersionState(StrEnum):
    """A suite's version: edited as a draft, then published and never changed."""

    DRAFT = "draft"
    PUBLISHED = "published"


class UploadKind(StrEnum):
    """What files that were sent hold."""

    SUITE = "suite"
    RUN = "run"
    """A log: a suite with one model's results."""


class CaseSource(StrEnum):
    """Where a case came from."""

    WRITTEN = "written"
    FEEDBACK = "feedback"
    SYNTHETIC = "synthetic"
    REPLAY = "replay"


class RunState(StrEnum):
    """One checkpoint × suite version × repeats."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


class RunSource(StrEnum):
    """Where a run's answers and scores come from."""

    CALLED = "called"
    """The checkpoint was called and graded here."""
    IMPORTED = "imported"
    """Another tool called and scored; its log was imported."""
    REGRADED = "regraded"
    """Stored answers of an older run, graded anew here."""
    RECORDED = "recorded"
    """The replies that partners were given, graded here."""


class ReplaySource(StrEnum):
    """Whose conversations a replay asks again."""

    PARTNERS = "partners"
    """Calls of partners who consented, read where they are kept."""
    PUBLIC = "public"
    """A file that anybody may read."""


class AuditFinding(StrEnum):
    """What somebody found who looked at a case that checkpoints fail."""

    RIGHT = "right"
    """The case is as it should be: the checkpoints are wrong."""
    MISLABELLED = "mislabelled"
    """Its target, or its grader, is wrong."""
    AMBIGUOUS = "ambiguous"
    """More than one answer is right."""


class ShardState(StrEnum):
    """A slice of a run that one worker holds on a lease."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"


class ResultState(StrEnum):
    """What became of one (case, repeat)."""

    PASSED = "passed"
    FAILED = "failed"
    ERRORED = "errored"
    REFUSED = "refused"
    UNSCORED = "unscored"
    SKIPPED = "skipped"


class ProbeState(StrEnum):
    """Where an experiment on a finding stands."""

    DRAFT = "draft"
    """Its pairs are being designed and reviewed."""
    RUNNING = "running"
    CONCLUDED = "concluded"
    ABANDONED = "abandoned"


class PairState(StrEnum):
    """What a person decided about one minimal pair."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    DROPPED = "dropped"


class HypothesisSource(StrEnum):
    """Who thought of a hypothesis."""

    TEMPLATE = "template"
    MODEL = "model"
    WRITTEN = "written"


class ProbeVerdict(StrEnum):
    """What a whole probe came to."""

    ISOLATED = "isolated"
    """At least one component is a cause of the failures."""
    NOTHING_ISOLATED = "nothing_isolated"
    """It ran as designed, and no hypothesis held."""
    INCONCLUSIVE = "inconclusive"
    """It ended early, lost too many answers, or had too few prompts."""


# In the mean: the checkpoint answered, well or badly. The others are missing, never zero.
SCORED = frozenset({ResultState.PASSED, ResultState.FAILED, ResultState.REFUSED})
MISSING = frozenset(ResultState) - SCORED

VERSION_TRANSITIONS: dict[VersionState, frozenset[VersionState]] = {
    VersionState.DRAFT: frozenset({VersionState.PUBLISHED}),
    VersionState.PUBLISHED: frozenset(),
}

RUN_TRANSITIONS: dict[RunState, frozenset[RunState]] = {
    RunState.QUEUED: frozenset(
        {RunState.RUNNING, RunState.PAUSED, RunState.CANCELLED, RunState.FAILED}
    ),
    RunState.RUNNING: frozenset(
        {RunState.COMPLETED, RunState.PAUSED, RunState.CANCELLED, RunState.FAILED}
    ),
    # Resumed to where it was: queued when nobody had begun.
    RunState.PAUSED: frozenset(
        {RunState.QUEUED, RunState.RUNNING, RunState.CANCELLED, RunState.FAILED}
    ),
    RunState.COMPLETED: frozenset(),
    RunState.CANCELLED: frozenset(),
    RunState.FAILED: frozenset(),
}

PROBE_TRANSITIONS: dict[ProbeState, frozenset[ProbeState]] = {
    ProbeState.DRAFT: frozenset({ProbeState.RUNNING, ProbeState.ABANDONED}),
    ProbeState.RUNNING: frozenset({ProbeState.CONCLUDED, ProbeState.ABANDONED}),
    ProbeState.CONCLUDED: frozenset(),
    ProbeState.ABANDONED: frozenset(),
}

SHARD_TRANSITIONS: dict[ShardState, frozenset[ShardState]] = {
    ShardState.QUEUED: frozenset({ShardState.RUNNING}),
    # Back to the queue when the lease ran out: its worker is gone.
    ShardState.RUNNING: frozenset({ShardState.QUEUED, ShardState.DONE}),
    ShardState.DONE: frozenset(),
}
