"""A02. Claims that do not hold, and keys that come and go while the server runs."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import jwt
import pytest
import pytest_asyncio

from config.errors import ConfigError
from tests.http.serving import build_settings
from tests.security.tokens import Door, open_door
from tests.support.issuer import AUDIENCE, NAME, Issuer, build_claims, new_rsa_key, open_issuer
from tests.support.waiting import until

pytestmark = pytest.mark.slow
in_one_loop = pytest.mark.asyncio(loop_scope="session")

SECRET = "a secret of more than thirty-two bytes"
NOW = int(time.time())


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with open_issuer() as issuer:
        yield issuer


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    more = {"jwt_roles": "admin=boss,service=robot", "jwt_roles_claim": "realm.roles", "jwt_scopes_claim": "scope"}
    async with open_door(tmp_path_factory.mktemp("shared"), issuer, jwt_secret=SECRET, **more) as door:
        yield door


def token(**changes: object) -> str:
    return jwt.encode(build_claims(**changes), SECRET, "HS256")


@in_one_loop
@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW - 120},
        {"exp": None},
        {"exp": "soon"},
        {"exp": float("inf")},
        {"aud": "another"},
        {"aud": None},
        {"aud": [1, "x"]},
        {"iss": "https://issuer.example"},
        {"iss": None},
        {"nbf": NOW + 3600},
        {"iat": NOW + 3600},
        {"iat": "yesterday"},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 201},
        {"sub": "a\nb"},
        {"sub": "\ud800"},
        {"sub": "open-agent"},
        {"sub": "openwebui:u-1"},
    ],
    ids="-".join,
)
async def test_token_whose_claims_do_not_hold_is_refused(shared: Door, changes: dict[str, object]) -> None:
    told = await shared.refusal(token(**changes))
    assert (told["status"], told["code"]) == (401, "wrong_token")


@in_one_loop
async def test_claims_that_hold_come_in_also_with_clocks_a_little_apart(shared: Door) -> None:
    now = int(time.time())
    for changes in ({}, {"aud": ["x", AUDIENCE]}, {"exp": now - 5}, {"nbf": now + 10}, {"iat": now + 10}):
        assert await shared.status(token(**changes)) == 200


@in_one_loop
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")  # of the key that is too short
async def test_rotated_key_works_without_a_restart_and_the_old_one_while_it_is_listed(
    issuer: Issuer, tmp_path: Path
) -> None:
    old, new, small = new_rsa_key("2025"), new_rsa_key("2026"), new_rsa_key("small", 1024)
    issuer.publish(old)
    async with open_door(tmp_path, issuer, jwt_jwks_url=issuer.keys_url, jwt_jwks_seconds=0.5) as door:
        assert await door.status(issuer.sign(old)) == 200
        assert await door.status(issuer.sign(new)) == 401
        issuer.publish(new, old, small)

        async def comes_in() -> bool:
            return await door.status(issuer.sign(new)) == 200

        await until(comes_in)
        assert await door.status(issuer.sign(old)) == 200
        assert await door.status(issuer.sign(small)) == 401
        issuer.publish(new)

        async def is_over() -> bool:
            return await door.status(issuer.sign(old)) == 401

        await until(is_over)
        assert await door.status(issuer.sign(new)) == 200


@in_one_loop
async def test_keys_that_are_elsewhere_are_not_followed(issuer: Issuer, tmp_path: Path) -> None:
    key = new_rsa_key("k")
    issuer.publish(key)
    issuer.moved = True
    try:
        async with open_door(tmp_path, issuer, jwt_jwks_url=issuer.keys_url) as door:
            answer = await door.answer(issuer.sign(key))
            assert (answer.status_code, answer.json()["code"]) == (503, "signing_keys_unavailable")
            assert "Retry-After" in answer.headers
            assert "/elsewhere" not in issuer.fetched
    finally:
        issuer.moved = False


@in_one_loop
async def test_subject_owns_and_roles_and_scopes_say_what_it_may(shared: Door) -> None:
    boss, robot = {"realm": {"roles": ["x", "boss"]}}, {"realm": {"roles": "robot"}}
    made = await shared.answer(token(scope="runs:write"), method="POST")
    conversation = made.json()["id"]
    mine = f"/v1/conversations/{conversation}"
    assert (await shared.answer(token(), mine)).status_code == 200
    assert (await shared.answer(token(sub="tild"), mine)).status_code == 404
    assert (await shared.answer(token(), "/v1/audit")).json()["code"] == "admin_only"
    assert (await shared.answer(token(**boss), "/v1/audit")).status_code == 200
    assert (await shared.answer(token(**robot), "/v1/audit")).status_code == 403
    refused = await shared.answer(token(scope="openid tools:invoke"), method="POST")
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    assert 'scope="runs:write"' in refused.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "one of JWT_JWKS_URL and JWT_SECRET"),
        ({"jwt_secret": SECRET, "jwt_jwks_url": "https://x/keys"}, "not both"),
        ({"jwt_secret": "short"}, "shorter than 32 bytes"),
        ({"jwt_secret": SECRET, "jwt_algorithms": "RS256"}, "JWT_SECRET goes with HS256"),
        ({"jwt_jwks_url": "https://x/keys", "jwt_algorithms": "RS256,HS256"}, "JWT_JWKS_URL goes with"),
        ({"jwt_jwks_url": "https://x/keys", "jwt_algorithms": "none"}, "expected names such as RS256"),
        ({"jwt_secret": SECRET, "jwt_audience": ""}, "JWT_AUDIENCE"),
        ({"jwt_secret": SECRET, "jwt_leeway_seconds": 61}, "JWT_LEEWAY_SECONDS"),
        ({"jwt_secret": SECRET, "jwt_roles": "boss=x"}, "JWT_ROLES: entry 1"),
        ({"jwt_jwks_url": "file:///etc/passwd"}, "JWT_JWKS_URL"),
    ],
    ids="-".join,
)
def test_settings_that_would_take_what_they_should_not_are_refused(
    tmp_path: Path, more: dict[str, object], said: str
) -> None:
    given: dict[str, object] = {"auth_mode": "jwt", "jwt_issuer": NAME, "jwt_audience": AUDIENCE, **more}
    with pytest.raises(ConfigError, match=said) as refusal:
        build_settings(tmp_path, "http://127.0.0.1:1/v1", **given)
    assert SECRET not in str(refusal.value)
