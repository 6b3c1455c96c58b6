"""One signed call of an endpoint, as Standard Webhooks asks."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import requests
from standardwebhooks import Webhook

from infra import clock, secrets_by_reference
from infra.environment import text as variable
from infra.errors import DomainError, InvalidInput
from infra.models import WebhookDelivery
from infra.webhooks.reach import JudgingAdapter, OutOfReach, literal, may_reach, why_not

TIMEOUT_S = (5, 15)
SHOWN_CHARACTERS = 300
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one call; `status` None: nothing was answered."""

    status: int | None
    problem: str

    @property
    def is_good(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def call(delivery: WebhookDelivery) -> Answer:
    """Send it once, following no redirect; whatever goes wrong is told, not raised."""
    if not delivery.endpoint.is_enabled:
        return Answer(status=None, problem="The endpoint is disabled.")
    try:
        status, said = _posted(delivery)
    except DomainError as refusal:
        return Answer(status=None, problem=refusal.message)
    except OutOfReach as refusal:
        return Answer(status=None, problem=str(refusal))
    except (requests.RequestException, OSError) as error:
        return Answer(status=None, problem=f"The endpoint could not be reached: {error}"[:1000])
    good = 200 <= status < 300
    return Answer(status=status, problem="" if good else f"It answered {status}: {said}")


def _posted(delivery: WebhookDelivery) -> tuple[int, str]:
    """The status, and the first characters of the answer."""
    headers = signed_headers(delivery, clock.now())
    with _session() as session:
        answer = session.post(
            delivery.endpoint.url,
            data=delivery.body.encode(),
            headers=headers,
            timeout=TIMEOUT_S,
            allow_redirects=False,
            stream=True,
            verify=variable("REQUESTS_CA_BUNDLE") or True,
        )
        with answer:
            said = answer.raw.read(SHOWN_CHARACTERS, decode_content=True) or b""
            return answer.status_code, said.decode("utf-8", "replace").replace("\x00", "")


def _session() -> requests.Session:
    session = requests.Session()
    # Neither a proxy nor a .netrc of this machine: the call goes where it was judged to go.
    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, JudgingAdapter())
    return session


def signed_headers(delivery: WebhookDelivery, now: datetime) -> dict[str, str]:
    """`webhook-id`, `webhook-timestamp` and `webhook-signature` over id, timestamp and body."""
    message_id = f"msg_{delivery.pk.hex}"
    signature = signer(delivery.endpoint.secret_ref).sign(message_id, now, delivery.body)
    return {
        "content-type": "application/json",
        "user-agent": "slipway",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }


def signer(secret_ref: str) -> Webhook:
    """What signs with the secret behind that reference; InvalidInput where it is none."""
    secret = secrets_by_reference.resolve(secret_ref).removeprefix("whsec_")
    try:
        key = base64.b64decode(secret, validate=True)
    except ValueError:
        key = b""
    if not 24 <= len(key) <= 64:
        wanted = "write whsec_ and 24 to 64 bytes in base64"
        message = f"{secret_ref} holds no webhook secret: {wanted}."
        raise InvalidInput("secret_malformed", message)
    return Webhook(key)


def check_url(url: str) -> None:
    """InvalidInput for what no webhook is ever sent to; a name is judged at each call."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise InvalidInput("bad_url", f"{url!r} is no URL: {error}.") from error
    is_local = parts.scheme == "http" and host in LOOPBACK
    if not host or (parts.scheme != "https" and not is_local):
        wanted = "write an https:// URL (http:// only on this host)"
        raise InvalidInput("bad_url", f"{url!r} is no address to tell: {wanted}.")
    if parts.username or parts.password:
        message = "The URL must not carry a password: the secret signs instead."
        raise InvalidInput("bad_url", message)
    address = literal("127.0.0.1" if host == "localhost" else host)
    if address is not None and not may_reach(address):
        raise InvalidInput("private_address", why_not(host, address))
