"""A03. Without a key nothing answers but health and the API's description; beyond this machine only with a good one."""

from pathlib import Path

import pytest

from config.errors import ConfigError
from server.keys import load_api_keys
from tests.http.serving import build_settings
from tests.security.house import House
from tests.security.routes import OPEN, all_routes
from tests.support.server_process import build_environment, refused


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="session")
async def test_every_route_but_health_and_docs_needs_a_key(house: House) -> None:
    async with house.served.client(None) as nobody:
        routes = await all_routes(nobody)
        assert len(routes) > 40
        for route in routes:
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YW5uOmFubg=="}):
                answer = await nobody.request(route.method, route.example, headers=headers)
                assert (answer.status_code == 401) == (route.path not in OPEN), (route.method, route.path)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("hunter2", "entry 1 (admin) is shorter than 16 characters"),
        ("ann=admin:Vq3xT8mPz5LkN2wRb7Yc,bob=user:b0b5", "entry 2 (bob) is shorter"),
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "fewer than 6 different characters"),
        ("change-me-please-1", "looks like an example's"),
    ],
)
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org"])
def test_beyond_this_machine_a_key_that_can_be_guessed_is_refused(
    tmp_path: Path, keys: str, said: str, host: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        load_api_keys(build_settings(tmp_path, "http://127.0.0.1:1/v1", api_keys=keys, host=host))
    assert said in str(refusal.value)
    assert keys.rpartition(":")[2] not in str(refusal.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_on_this_machine_a_short_key_will_do(tmp_path: Path, host: str) -> None:
    load_api_keys(build_settings(tmp_path, "http://127.0.0.1:1/v1", api_keys="hunter2", host=host))


def test_a_good_key_and_the_generated_one_serve_the_network(tmp_path: Path) -> None:
    for keys in ("Vq3xT8mPz5LkN2wRb7Yc", ""):
        load_api_keys(build_settings(tmp_path, "http://127.0.0.1:1/v1", api_keys=keys, host="0.0.0.0"))


def test_an_empty_key_file_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "api_key").write_text("\n")
    with pytest.raises(ConfigError, match="holds no key"):
        load_api_keys(build_settings(tmp_path, "http://127.0.0.1:1/v1", api_keys=""))


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="session")
async def test_the_server_refuses_to_start_with_one_line(tmp_path: Path) -> None:
    code, said = await refused(build_environment(tmp_path, HOST="0.0.0.0", API_KEYS="hunter2"))
    assert (code, len(said.splitlines())) == (2, 1), said
    assert "API_KEYS: entry 1" in said
    assert "hunter2" not in said
