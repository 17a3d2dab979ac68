"""An issuer of signed tokens: its keys, published over loopback, and a record of everything that was fetched there."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from typing_extensions import override

NAME = "https://issuer.example/"
AUDIENCE = "open-agent"
Claims = dict[str, Any]  # a token may claim anything


@dataclass
class SigningKey:
    kid: str
    algorithm: str
    private: Any  # of `cryptography`: one of several classes

    @property
    def public(self) -> Claims:
        encoder = jwt.get_algorithm_by_name(self.algorithm)
        return {**json.loads(encoder.to_jwk(self.private.public_key())), "kid": self.kid, "use": "sig"}


def new_rsa_key(kid: str, size: int = 2048) -> SigningKey:
    key: RSAPrivateKey = generate_rsa_key(65537, size)
    return SigningKey(kid, "RS256", key)


def new_ec_key(kid: str) -> SigningKey:
    return SigningKey(kid, "ES256", generate_ec_key(SECP256R1()))


def build_claims(**changes: object) -> Claims:
    """Returns claims that hold; a change to None leaves one out."""
    now = int(time.time())
    claims = {"iss": NAME, "aud": AUDIENCE, "sub": "tilda", "iat": now, "exp": now + 300, **changes}
    return {name: value for name, value in claims.items() if value is not None}


@dataclass
class Issuer:
    url: str
    published: list[Claims] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    """The paths that were asked for."""
    moved: bool = False
    """Whether the keys are said to be elsewhere."""

    @property
    def keys_url(self) -> str:
        return f"{self.url}/keys"

    def publish(self, *keys: SigningKey) -> None:
        self.published = [key.public for key in keys]

    def sign(self, key: SigningKey, headers: Claims | None = None, **changes: object) -> str:
        return jwt.encode(build_claims(**changes), key.private, key.algorithm, {"kid": key.kid, **(headers or {})})


@contextmanager
def open_issuer() -> Iterator[Issuer]:
    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.fetched.append(self.path)
            moved = issuer.moved and self.path == "/keys"
            body = b"" if moved else json.dumps({"keys": issuer.published}).encode()
            self.send_response(302 if moved else 200)
            if moved:
                self.send_header("Location", f"{issuer.url}/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    issuer = Issuer(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
