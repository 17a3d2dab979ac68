"""A15: no address of this machine or its network is reached, whatever it is called, unless it was granted."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

import pytest

from mcp_config.entries.login_terms import HOUSE
from mcp_config.entries.server_config import ServerConfig
from mcp_config.identity.login_attempt import LoginFailed
from mcp_config.identity.logins import Logins
from mcp_config.tools import Caller
from mcp_config.upstream.public_addresses import is_public
from tests.mcp_config.rig import chaos, open_rig
from tests.support.chaos_http import ChaosHttp, http, open_chaos_http
from tests.support.login_server import open_login_server

CANARY = "canary of the inner network"


@contextlib.asynccontextmanager
async def listener(host: str = "127.0.0.1", redirect: str = "") -> AsyncIterator[tuple[int, list[str]]]:
    """A web server: its port, and what it was asked for. It shows its canary, or sends people elsewhere."""
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readline()).decode().strip())
        where = f"Location: {redirect}\r\n" if redirect else ""
        status = "302 Found" if redirect else "200 OK"
        body = CANARY * (not redirect)
        writer.write(
            f"HTTP/1.1 {status}\r\n{where}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, host, 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


def fetcher(*arguments: str) -> ServerConfig:
    command = (sys.executable, "-m", "mcp_config.servers.fetch", "--ignore-robots-txt", *arguments)
    return ServerConfig(name="fetch", transport="stdio", command=command, prefix="fetch")


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200",
     "224.0.0.1", "255.255.255.255", "192.0.0.192", "::1", "::", "fe80::1%eth0", "fd00:ec2::254", "::ffff:127.0.0.1",
     "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:db8::1", "ff02::1",
     "fec0::1", "3fff::1"],
)  # fmt: skip
def test_a15_address_of_this_network_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_a15_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.slow
async def test_a15_fetch_reaches_nothing_of_this_machine_whatever_it_is_called() -> None:
    async with listener() as (port, asked), open_rig(fetcher()) as rig:
        for url in (
            f"http://127.0.0.1:{port}/",
            f"http://[::ffff:127.0.0.1]:{port}/",
            f"http://2130706433:{port}/",
            f"http://0177.0.0.1:{port}/",
            f"http://0x7f.1:{port}/",
            f"http://localhost:{port}/",
            f"http://localhost.:{port}/",
            f"http://me@127.0.0.1:{port}/",
            "http://169.254.169.254/latest/meta-data/",
            "file:///etc/passwd",
            "gopher://127.0.0.1/",
        ):
            result = await rig.call("fetch__fetch", url=url)
            assert (url, result.status) == (url, "error")
            assert CANARY not in result.content
            assert "root:" not in result.content
    assert asked == []


@pytest.mark.slow
async def test_a15_what_is_not_allowed_is_refused_where_the_connection_is_made() -> None:
    """Here the server's own look before connecting is off, as if the name had meant something else then (rebinding)."""
    async with (
        listener() as (inner, asked),
        listener("127.0.0.2") as (granted, _),
        listener("127.0.0.2", redirect=f"http://127.0.0.1:{inner}/") as (redirecting, sent),
        open_rig(fetcher("--allow", "127.0.0.2/32")) as rig,
    ):
        assert CANARY in (await rig.call("fetch__fetch", url=f"http://127.0.0.2:{granted}/", raw=True)).content
        for url in (f"http://127.0.0.2:{redirecting}/", f"http://localhost:{inner}/", f"http://127.0.0.1:{inner}/"):
            result = await rig.call("fetch__fetch", url=url)
            assert (url, result.status) == (url, "error")
            assert CANARY not in result.content
    assert sent != []
    assert asked == []


async def test_a15_mcp_server_whose_name_means_a_private_address_is_not_connected_to() -> None:
    """Decimal and hexadecimal hosts are names, too: nobody who writes one means this machine."""
    async with listener() as (port, asked):
        servers = [
            ServerConfig(name=f"web{place}", transport="http", url=f"http://{host}:{port}/mcp", prefix=f"web{place}")
            for place, host in enumerate(("2130706433", "0x7f.1", "0x7f000001"))
        ]
        async with open_rig(chaos("well"), *servers) as rig:
            assert (await rig.call("well__echo", text="fine")).content == "fine"
            for server in servers:
                await rig.until(server.name, "failed")
                assert "is at 127.0.0.1, which is not a public address" in rig.health(server.name).detail
                assert '"private": true' in rig.health(server.name).detail
    assert asked == []


async def test_a15_what_the_entry_grants_is_connected_to() -> None:
    async with listener() as (port, asked):
        named = ServerConfig(name="named", transport="http", url=f"http://127.0.0.1:{port}/mcp", prefix="named")
        granted = ServerConfig(name="in", transport="http", url=f"http://0x7f.1:{port}/mcp", prefix="in", private=True)
        async with open_rig(named, granted) as rig:
            await rig.until("named", "failed")
            await rig.until("in", "failed")
    assert len(asked) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("said", ["http://localhost:{port}/", "http://0x7f.1:{port}/", "http://169.254.169.254/"])
async def test_a15_metadata_of_a_login_is_no_way_to_an_address_that_was_not_granted(said: str) -> None:
    async with listener() as (port, asked):
        challenge = f'WWW-Authenticate: Bearer resource_metadata="{said.format(port=port)}"'
        async with open_chaos_http(ChaosHttp(refusal=http("401 Unauthorized", challenge))) as chaos:
            await _refused_to_log_in(f"http://127.0.0.1:{chaos.port}/mcp")
    assert asked == []


@pytest.mark.slow
@pytest.mark.parametrize("said", ["http://localhost:{port}/", "https://169.254.169.254/"])
async def test_a15_an_authorization_server_is_no_way_to_an_address_that_was_not_granted(said: str) -> None:
    async with listener() as (port, asked), open_login_server(issuer=said.format(port=port)) as desk:
        await _refused_to_log_in(desk.url)
    assert asked == []


async def _refused_to_log_in(url: str) -> None:
    logins = Logins()
    config = ServerConfig(name="desk", transport="http", url=url)
    with pytest.raises(LoginFailed, match="which is not a public address"):
        await logins.begin(config, HOUSE, Caller("ann", role="admin"))
    await logins.close()
