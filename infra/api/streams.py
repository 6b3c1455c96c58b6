"""Files that are sent piece by piece, whatever their size."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

PIECE_BYTES = 1 << 18


def streamed(
    request: HttpRequest, parts: Iterable[bytes], *, name: str, content_type: str
) -> StreamingHttpResponse:
    """A download that holds one piece of `parts` at a time; an error in them cuts it off.

    Under ASGI Django would gather an iterator's every part before it sends the first, so each
    piece is then made on the request's own thread and sent at once.
    """
    made = _pieces(parts)
    content = _awaited(made) if isinstance(request, ASGIRequest) else made
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingHttpResponse(content, content_type=content_type, headers=headers)


def _pieces(parts: Iterable[bytes]) -> Iterator[bytes]:
    held, size = [], 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size >= PIECE_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


async def _awaited(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    take = sync_to_async(next)
    while (piece := await take(pieces, None)) is not None:
        yield piece
