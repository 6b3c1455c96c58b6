"""Script and style go compressed to whoever takes them so, and are the same files."""

from __future__ import annotations

import gzip

from django.test import Client

STYLE = "/static/console/pages.css"
FONT = "/static/unfold/fonts/inter/Inter-Regular.woff2"


def body(answer: object) -> bytes:
    return b"".join(answer)  # type: ignore[call-overload, no-any-return]


def test_a_style_is_compressed_for_who_takes_it_so() -> None:
    plain = Client().get(STYLE)
    zipped = [Client().get(STYLE, headers={"accept-encoding": "gzip, br"}) for _ in range(2)]
    whole = body(plain)
    for answer in zipped:
        assert answer["Content-Encoding"] == "gzip"
        assert gzip.decompress(answer.content) == whole
        assert int(answer["Content-Length"]) == len(answer.content) < len(whole) / 2
        assert answer["Content-Type"] == plain["Content-Type"]
    assert "Content-Encoding" not in plain
    assert {answer["Vary"] for answer in (plain, *zipped)} == {"Accept-Encoding"}


def test_a_known_file_is_not_sent_again_and_a_font_is_left_alone() -> None:
    first = Client().get(STYLE, headers={"accept-encoding": "gzip"})
    since = {"if-modified-since": first["Last-Modified"], "accept-encoding": "gzip"}
    assert Client().get(STYLE, headers=since).status_code == 304
    font = Client().get(FONT, headers={"accept-encoding": "gzip"})
    assert "Content-Encoding" not in font


def test_pages_are_never_compressed() -> None:
    answer = Client().get("/api/docs/", headers={"accept-encoding": "gzip"})
    assert answer.status_code == 200 and "Content-Encoding" not in answer
