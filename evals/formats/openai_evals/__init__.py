"""`openai-evals`: an eval of OpenAI's Evals API with its data, runs and output items.

The path is a folder or one file. Every JSON or JSON Lines file in it is looked through for the
API's objects, whatever the files are called: the eval, its runs, rows `{"item", "sample"?}`, output
items, pages of lists.
"""

from __future__ import annotations

from evals.formats.openai_evals.reading import read
from evals.formats.openai_evals.results import read_run
from evals.formats.openai_evals.writing import write

__all__ = ["read", "read_run", "write"]
