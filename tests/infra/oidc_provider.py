"""A small OpenID provider over HTTP: discovery, code flow with PKCE (S256), signed tokens."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

CLIENT_ID, SECRET = "slipway", "a-secret-of-the-tests"


@dataclass
class Subject:
    """Whom the provider says it is, at its own page."""

    sub: str = "u-1"
    email: str = "rosa@example.org"
    email_verified: bool = True
    auth_time: int | None = None


@dataclass
class Provider:
    """The server and what it has seen; `spoil` changes the claims just before they are signed."""

    subject: Subject = field(default_factory=Subject)
    asked: list[dict[str, str]] = field(default_factory=list)
    refuses: str = ""
    spoil: dict[str, Any] = field(default_factory=dict)
    wrong_key: bool = False

    def __post_init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.codes: dict[str, dict[str, str]] = {}
        self.tokens: set[str] = set()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def settings(self) -> dict[str, Any]:
        """What SLIPWAY_OIDC_* make of it."""
        app = {
            "provider_id": "sso",
            "name": "Example ID",
            "client_id": CLIENT_ID,
            "secret": SECRET,
            "settings": {
                "server_url": self.url,
                "oauth_pkce_enabled": True,
                "auth_params": {"max_age": "43200"},
            },
        }
        return {"openid_connect": {"APPS": [app]}}

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }

    def keys(self) -> dict[str, Any]:
        shown = json.loads(RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**shown, "kid": "k1", "alg": "RS256", "use": "sig"}]}

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser is led back to, as though its person had agreed."""
        self.asked.append(query)
        back = {"state": query["state"]}
        if self.refuses:
            return f"{query['redirect_uri']}?{urlencode({**back, 'error': self.refuses})}"
        code = secrets.token_hex(8)
        self.codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({**back, 'code': code})}"

    def token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Tokens for a code, once, to the client that can open the challenge."""
        query = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        fits = query is not None and query["code_challenge_method"] == "S256"
        fits = fits and query["code_challenge"] == challenge  # type: ignore[index]
        if not fits or (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, SECRET):
            return 400, {"error": "invalid_grant"}
        access = secrets.token_hex(8)
        self.tokens.add(access)
        return 200, {"access_token": access, "token_type": "Bearer", "id_token": self._signed()}

    def _signed(self) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 60}
        claims |= {"sub": self.subject.sub, "auth_time": self.subject.auth_time or now}
        key = self.key
        if self.wrong_key:
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return jwt.encode({**claims, **self.spoil}, key, "RS256", headers={"kid": "k1"})

    def userinfo(self) -> dict[str, Any]:
        about = self.subject
        return {"sub": about.sub, "email": about.email, "email_verified": about.email_verified}


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, query = self.path.partition("?")[0], _flat(urlsplit(self.path).query)
            if path == "/authorize":
                self.send_response(302)
                self.send_header("Location", provider.authorize(query))
                self.end_headers()
            elif path == "/userinfo":
                held = self.headers.get("Authorization", "").removeprefix("Bearer ")
                known = held in provider.tokens
                self._json(200 if known else 401, provider.userinfo() if known else {})
            elif path == "/keys":
                self._json(200, provider.keys())
            elif path == "/.well-known/openid-configuration":
                self._json(200, provider.discovery())
            else:
                self._json(404, {})

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            self._json(*provider.token(_flat(self.rfile.read(length).decode())))

        def _json(self, status: int, body: dict[str, Any]) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *args: object) -> None:
            """Silence."""

    return Handler


def _flat(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}
