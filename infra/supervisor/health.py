"""Whether a server on this machine answers."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

TIMEOUT_S = 1.0


def answers_ok(url: str) -> bool:
    """Whether `url` answers 200 at once."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port or 80, timeout=TIMEOUT_S
    )
    try:
        connection.request("GET", parts.path or "/", headers={"connection": "close"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
