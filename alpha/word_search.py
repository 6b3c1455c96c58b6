"""Words in what partners said, found by an index.

PostgreSQL's own parser keeps addresses and dotted names together; here every mark is a gap, so
that `columns` is found in `sql.columns`.
"""

from __future__ import annotations

import re
import string

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import F, Func, Q, TextField, Value

CONFIG = "simple"
# No stemming, no stop words: what was typed is what is found.
_MARKS = string.punctuation + "“”„‘’‚«»‹›–—…·•¡¿、。，！？：；（）「」『』"
_WORD = re.compile(r"[A-Za-z0-9]+")


def words_of(field: str) -> SearchVector:
    """The words of a text field; an index over this serves `saying`."""
    gaps = Value(" " * len(_MARKS))
    text = Func(F(field), Value(_MARKS), gaps, function="translate", output_field=TextField())
    return SearchVector(text, config=CONFIG)


def words_query(asked: str) -> SearchQuery | None:
    """Rows with each of the words, the last one perhaps not typed to its end.

    None where an index can't tell: no word, or letters whose words have no gaps between them.
    """
    words = _WORD.findall(asked)
    if not words or not asked.isascii():
        return None
    terms = " & ".join((*words[:-1], f"{words[-1]}:*"))
    return SearchQuery(terms, config=CONFIG, search_type="raw")


def saying(field: str, asked: str) -> tuple[dict[str, SearchVector], Q]:
    """What to alias and to filter by: the text as it was asked for, from a word's beginning on."""
    contains = Q(**{f"{field}__icontains": asked})
    query = words_query(asked)
    if query is None:
        return {}, contains
    return {"words": words_of(field)}, Q(words=query) & contains
