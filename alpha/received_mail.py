"""What a partner wrote in a mail or a chat, read for the inbox. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parseaddr
from html.parser import HTMLParser
from uuid import UUID

LIMIT_BYTES = 1_000_000
COMMENT_LENGTH = 20_000
# A line's end is one character here: two ways to match it would take for ever on some mails.
_HEADERS = re.compile(rb"\A(?:[A-Za-z][A-Za-z0-9-]*:[^\n]*\n(?:[ \t][^\n]*\n)*){2,}\n")
_ID = re.compile(
    r"(?<![0-9a-f])[0-9a-f]{8}-?[0-9a-f]{4}-?7[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}"
    r"(?![0-9a-f])"
)
_QUOTED = re.compile(
    r"^(?:On .{1,200}wrote:|-{2,} ?Original Message ?-{2,}|From: .+|Am .{1,200}schrieb.*:)\s*$",
    re.MULTILINE,
)


class NotReadable(ValueError):
    """What was given can't be read as a mail or a text; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message as it would be written down; a person looks at it first."""

    is_mail: bool
    sender: str
    subject: str
    comment: str
    request_id: UUID | None
    """The first request id that the text names."""
    idempotency_key: str
    """The same for the same message, so that it is written down once."""


def read_message(content: bytes) -> Received:
    """Read an .eml file or a pasted text; what was quoted from earlier mails is left out.

    NotReadable for an empty, a too large or an undecodable one.
    """
    if len(content) > LIMIT_BYTES:
        raise NotReadable(f"The message is larger than {LIMIT_BYTES:,} bytes: paste its text.")
    if _HEADERS.match(content.replace(b"\r\n", b"\n")):
        return _mail(content)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotReadable(f"Byte {error.start} is not UTF-8: save the text as UTF-8.") from error
    return _received(text, "", "", False, content)


def _mail(content: bytes) -> Received:
    message = message_from_bytes(content, policy=policy.default)
    body = message.get_body(("plain", "html")) if isinstance(message, EmailMessage) else None
    if body is None:
        raise NotReadable("The mail has no text: paste what it says.")
    try:
        text = str(body.get_content())
    except (LookupError, UnicodeError, KeyError) as error:
        raise NotReadable(f"The mail's text can't be decoded ({error}): paste it.") from error
    if body.get_content_subtype() == "html":
        text = _text_of(text)
    identity = str(message.get("Message-ID") or "").strip().encode("utf-8", "replace") or content
    sender = parseaddr(str(message.get("From") or ""))[1][:254]
    return _received(text, sender, str(message.get("Subject") or "")[:500], True, identity)


def _received(text: str, sender: str, subject: str, is_mail: bool, identity: bytes) -> Received:
    said = _own_words(text.replace("\r\n", "\n").replace("\0", ""))
    if not said:
        raise NotReadable("The message says nothing of its own: paste what the partner said.")
    if len(said) > COMMENT_LENGTH:
        raise NotReadable(f"The text is longer than {COMMENT_LENGTH:,} letters: shorten it.")
    found = _ID.search(f"{subject}\n{text}".lower())
    kind = "mail" if is_mail else "text"
    return Received(
        is_mail=is_mail,
        sender=sender,
        subject=subject,
        comment=said,
        request_id=UUID(found.group()) if found else None,
        idempotency_key=f"{kind}:{hashlib.sha256(identity).hexdigest()}",
    )


def _own_words(text: str) -> str:
    """The text before what it quotes, without the lines that are quotes and the signature."""
    quoted = _QUOTED.search(text)
    own = text[: quoted.start()] if quoted and text[: quoted.start()].strip() else text
    own = own.split("\n-- \n")[0]
    return "\n".join(line for line in own.split("\n") if not line.startswith(">")).strip()


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._hidden += tag in ("script", "style", "blockquote")
        if tag in ("br", "p", "div", "li", "tr"):
            self.words.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style", "blockquote"):
            self._hidden = max(0, self._hidden - 1)

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)


def _text_of(html: str) -> str:
    parser = _Words()
    parser.feed(html)
    parser.close()
    return re.sub(r"\n{3,}", "\n\n", "".join(parser.words)).strip()
