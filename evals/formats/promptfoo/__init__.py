"""`promptfoo`: its configs as suites, and its results (version 3) as runs."""

from __future__ import annotations

from evals.formats.promptfoo.reading import read
from evals.formats.promptfoo.writing import write

__all__ = ["read", "write"]
