"""Reads where e-mail goes from one URL or from plain variables. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

_BACKENDS = "django.core.mail.backends"
# Scheme -> (STARTTLS, TLS from the first byte, usual port).
_SMTP = {"smtp": (False, False, 25), "smtp+tls": (True, False, 587), "smtps": (False, True, 465)}
TIMEOUT_S = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """What Django's settings of e-mail are made of; without a backend nothing is ever sent."""

    backend: str = ""
    folder: str = ""
    host: str = ""
    port: int = 25
    user: str = ""
    password: str = ""
    use_tls: bool = False
    use_ssl: bool = False

    @property
    def is_on(self) -> bool:
        return bool(self.backend)


def from_url(url: str) -> MailServer:
    """The server at `smtp+tls://user:password@host:587`, or a folder; off for "".

    ImproperlyConfigured for anything else; it never repeats the password.
    """
    if not url:
        return MailServer()
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _refused() from error
    if parts.scheme == "file" and parts.path:
        return MailServer(backend=f"{_BACKENDS}.filebased.EmailBackend", folder=unquote(parts.path))
    if parts.scheme == "console":
        return MailServer(backend=f"{_BACKENDS}.console.EmailBackend")
    if parts.scheme not in _SMTP or not parts.hostname:
        raise _refused()
    use_tls, use_ssl, usual = _SMTP[parts.scheme]
    return MailServer(
        backend=f"{_BACKENDS}.smtp.EmailBackend",
        host=parts.hostname,
        port=port or usual,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        use_tls=use_tls,
        use_ssl=use_ssl,
    )


def from_parts(host: str, port: int, user: str, password: str, security: str) -> MailServer:
    """The same from single variables; `security`: none, starttls or tls."""
    if not host:
        return MailServer()
    if security not in ("none", "starttls", "tls"):
        raise ImproperlyConfigured(
            f"SLIPWAY_EMAIL_SECURITY is {security!r}: write none, starttls or tls."
        )
    return MailServer(
        backend=f"{_BACKENDS}.smtp.EmailBackend",
        host=host,
        port=port,
        user=user,
        password=password,
        use_tls=security == "starttls",
        use_ssl=security == "tls",
    )


def _refused() -> ImproperlyConfigured:
    return ImproperlyConfigured(
        "SLIPWAY_EMAIL_URL must look like smtp+tls://user:password@host:587 (STARTTLS), "
        "smtps://user:password@host:465 (TLS), smtp://host:25, or file:///a/folder."
    )
