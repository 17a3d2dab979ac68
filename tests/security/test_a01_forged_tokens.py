"""A01. A token that says itself how it is to be verified: the same 401 for each, and nothing is fetched for it."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator

import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from structlog.testing import capture_logs

from tests.http.serving import ADMIN_KEY
from tests.security.tokens import Door, open_door
from tests.support.issuer import Claims, Issuer, SigningKey, build_claims, new_ec_key, new_rsa_key, open_issuer

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

REFUSED = {
    "type": "about:blank",
    "title": "Unauthorized",
    "status": 401,
    "code": "wrong_token",
    "detail": "This token or API key is not valid here.",
}
RSA, EC, STRANGERS = new_rsa_key("rsa-1"), new_ec_key("ec-1"), new_rsa_key("rsa-1")


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with open_issuer() as issuer:
        issuer.publish(RSA, EC)
        yield issuer


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def door(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    async with open_door(tmp_path_factory.mktemp("door"), issuer, jwt_jwks_url=issuer.keys_url) as door:
        yield door


def encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def by_hand(header: Claims, secret: bytes | None = None, claims: Claims | None = None) -> str:
    """Returns a token as no library would make it: HMAC over whatever `secret`, or no signature at all."""
    signed = f"{encoded(header)}.{encoded(claims or build_claims())}"
    if secret is None:
        return f"{signed}."
    digest = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def pem(key: SigningKey) -> bytes:
    public: bytes = key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return public


def resigned(header: Claims) -> str:
    """Returns a token that is signed by a stranger's key, and says where that key would be found."""
    return jwt.encode(build_claims(), STRANGERS.private, "RS256", {"kid": "rsa-1", **header})


FORGED = {
    "unsigned": by_hand({"alg": "none"}),
    "unsigned, oddly written": by_hand({"alg": "nOnE", "kid": "rsa-1"}),
    "without an algorithm": by_hand({"typ": "JWT"}),
    "with a list of algorithms": by_hand({"alg": ["RS256", "none"], "kid": "rsa-1"}),
    "with an empty signature": by_hand({"alg": "RS256", "kid": "rsa-1"}),
    "HMAC with the public key as the secret": by_hand({"alg": "HS256", "kid": "rsa-1"}, pem(RSA)),
    "HMAC with the published key as the secret": by_hand({"alg": "HS256"}, json.dumps(RSA.public).encode()),
    "HMAC with nothing": by_hand({"alg": "HS256", "kid": ""}, b""),
    "RS256 claimed over an HMAC": by_hand({"alg": "RS256", "kid": "rsa-1"}, pem(RSA)),
    "an algorithm that was not allowed": jwt.encode(build_claims(), RSA.private, "RS512", {"kid": "rsa-1"}),
    "another key's id": jwt.encode(build_claims(), RSA.private, "RS256", {"kid": "ec-1"}),
    "a stranger's signature": resigned({}),
    "kid is a path": resigned({"kid": "../../../../dev/null"}),
    "kid is SQL": resigned({"kid": "x' UNION SELECT 'secret' --"}),
    "kid is long": resigned({"kid": "k" * 5000}),
    "kid is no text": by_hand({"alg": "RS256", "kid": {"$ne": None}}),
    "a critical extension": jwt.encode(build_claims(), RSA.private, "RS256", {"kid": "rsa-1", "crit": ["exp"]}),
    "its own key": resigned({"jwk": STRANGERS.public}),
    "deep claims": f"{encoded({'alg': 'RS256'})}.{base64.urlsafe_b64encode(b'[' * 6000).decode()}.AA",
    "deep header": f"{base64.urlsafe_b64encode(b'[' * 9000).decode()}.e30.AA",
    "huge": "e30." + "A" * 30_000 + ".AA",
    "not a token": "a.b.c",
    "not base64": "..",
    "not JSON": f"{base64.urlsafe_b64encode(bytes([255, 254])).decode()}.e30.AA",
}


@pytest.mark.parametrize("name", FORGED)
async def test_forged_token_is_refused_like_any_other(door: Door, name: str) -> None:
    assert await door.refusal(FORGED[name]) == REFUSED


async def test_why_a_token_was_refused_is_in_the_log_alone(door: Door) -> None:
    for_others = jwt.encode(build_claims(aud="elsewhere"), RSA.private, "RS256", {"kid": "rsa-1"})
    with capture_logs() as logged:
        for token in (for_others, FORGED["unsigned"], FORGED["kid is a path"]):
            assert await door.refusal(token) == REFUSED
    told = [line["reason"] for line in logged if line["event"] == "token refused"]
    assert told == [
        "Audience doesn't match",
        "its algorithm is not among RS256, ES256 (JWT_ALGORITHMS)",
        "the issuer has no key of its `kid` and algorithm",
    ]


async def test_nothing_is_fetched_because_a_token_says_so(door: Door, issuer: Issuer) -> None:
    url = f"{issuer.url}/evil"
    for header in ({"jku": url}, {"x5u": url}, {"jku": url, "kid": "evil"}, {"jwk": {"kty": "RSA"}, "x5u": url}):
        assert await door.refusal(resigned(header)) == REFUSED
    for number in range(30):  # unknown keys, one after the other: looked for once, not once each
        assert await door.refusal(resigned({"kid": f"unknown-{number}"})) == REFUSED
    assert set(issuer.fetched) == {"/keys"}
    assert len(issuer.fetched) <= 3


async def test_good_tokens_and_keys_still_come_in(door: Door, issuer: Issuer) -> None:
    assert await door.status(issuer.sign(RSA)) == 200
    assert await door.status(issuer.sign(EC)) == 200
    assert await door.status(issuer.sign(RSA, {"jku": "https://example.com/keys"})) == 200  # said, and not heeded
    assert await door.status(ADMIN_KEY) == 200
    assert (await door.answer("")).json()["code"] == "no_api_key"
