"""What a short text means, as a vector: WordLlama's static embeddings, from its own wheel."""

import functools
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from releases.statistics.inputs import Floats


def embedded(texts: Sequence[str]) -> Floats:
    """Return one vector of length 1 a text, shape (n, 256); of length 0 for a text without words.

    Raises ImportError when WordLlama is not installed.
    """
    # One text at a time: a batch is padded to its longest text, and memory with it.
    vectors = np.array(_model().embed(list(texts), batch_size=1), np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    result: Floats = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return result


@functools.cache
def _model() -> Any:
    with _root_logger_kept():
        import wordllama
    # Its own folder holds the weights: it looks elsewhere, and would download them.
    folder = Path(wordllama.__file__).parent
    return wordllama.WordLlama.load(cache_dir=folder, disable_download=True)


@contextmanager
def _root_logger_kept() -> Iterator[None]:
    """Undo what importing WordLlama does to the logging of the whole process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
