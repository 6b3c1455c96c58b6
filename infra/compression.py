"""Script and style of the console, sent compressed: a third of the bytes, made once a process."""

from __future__ import annotations

import gzip
from collections.abc import Callable

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

_TEXTS = (".css", ".js", ".svg")


class CompressedStatic:
    """Middleware above WhiteNoise, which serves files as they lie.

    Pages are left alone: they hold secrets beside what others wrote, whose lengths would tell.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        # By path and date, so that a changed file is compressed anew.
        self._kept: dict[tuple[str, str], bytes] = {}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        answer = self._get_response(request)
        if not (request.path.startswith(settings.STATIC_URL) and request.path.endswith(_TEXTS)):
            return answer
        patch_vary_headers(answer, ["Accept-Encoding"])
        wanted = "gzip" in request.headers.get("Accept-Encoding", "")
        whole = request.method == "GET" and answer.status_code == 200
        if not wanted or not whole or not isinstance(answer, FileResponse):
            return answer
        return self._compressed(request.path, answer)

    def _compressed(self, path: str, answer: FileResponse) -> HttpResponse:
        key = path, answer.get("Last-Modified", "")
        if key not in self._kept:
            self._kept[key] = gzip.compress(answer.getvalue(), mtime=0)
        made = HttpResponse(self._kept[key], headers=dict(answer.items()))
        answer.close()
        made["Content-Encoding"] = "gzip"
        made["Content-Length"] = str(len(self._kept[key]))
        return made
