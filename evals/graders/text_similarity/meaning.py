"""How near two texts are in meaning: the cosine of their embeddings."""

from __future__ import annotations

from evals.graders.contract import GraderError, GraderErrorKind

EMBEDDING = "WordLlama's static embedding (256 numbers)"
DIFFERS = (
    f"cosine is of {EMBEDDING} here, of text-embedding-3-large there: scores differ, and the "
    "pass_threshold that fits may too"
)
"""What an import has to say of a grader that OpenAI embeds with a model of its own."""
LONGEST = 100_000
"""Characters of a text that is embedded: each of its tokens takes a kilobyte."""


def cosine(text: str, reference: str) -> float:
    """The cosine of both embeddings, a negative one as 0; 0 for a text without words.

    GraderError where WordLlama is not installed.
    """
    try:
        from releases.statistics.static_embedding import embedded  # its weights take 16 MB

        given, wanted = embedded([text, reference])
    except ImportError as error:
        message = "cosine needs the package wordllama: pip install -r requirements.txt"
        raise GraderError(GraderErrorKind.OTHER, message) from error
    return min(1.0, max(0.0, float(given @ wanted)))
