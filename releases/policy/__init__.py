"""Pipeline files: read with every mistake at once, compared, and applied as policies. Pure."""

from releases.durations import duration
from releases.policy.files import (
    PipelineSpec,
    Reading,
    StageSpec,
    pipeline_spec,
    read_pipelines,
    reading_of,
)

__all__ = [
    "PipelineSpec",
    "Reading",
    "StageSpec",
    "duration",
    "pipeline_spec",
    "read_pipelines",
    "reading_of",
]
