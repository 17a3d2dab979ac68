"""Other people's servers behind the gateway, and other people's clients before it."""

import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from config.checkout import CHECKOUT
from tests.gateway.node import install, node, run
from tests.gateway.peer import open_peer, words
from tests.gateway.second_generation import CLIENT, SERVER, install_second_generation
from tests.http.serving import USER_KEY, Json, Served, build_settings, open_served

NPM = (
    "@modelcontextprotocol/server-everything@2026.8.31",
    "@modelcontextprotocol/server-filesystem@2026.8.31",
    "@modelcontextprotocol/server-memory@2026.8.31",
    "@modelcontextprotocol/inspector@2.12",
)
TIME: Json = {"command": sys.executable, "args": ["-m", "mcp_server_time", "--local-timezone", "UTC"]}


@asynccontextmanager
async def open_gateway(folder: Path, servers: Mapping[str, Json]) -> AsyncIterator[Served]:
    (folder / "policies.yaml").write_text('rules: [{match: "*", verdict: allow}]')
    more = {"mcp_servers": json.dumps({"mcpServers": servers}), "tool_policies_file": folder / "policies.yaml"}
    async with open_served(build_settings(folder, "http://127.0.0.1:9/v1", **more)) as served:
        yield served


@pytest.mark.slow
async def test_git_time_and_fetch_work_through_the_gateway(tmp_path: Path) -> None:
    code, printed = await run("git", "init", "--quiet", str(tmp_path / "repository"))
    assert code == 0, printed
    repository = str(tmp_path / "repository")
    servers = {
        "time": TIME,
        "git": {"command": sys.executable, "args": ["-m", "mcp_server_git", "--repository", repository]},
        "fetch": {"command": sys.executable, "args": ["-m", "mcp_config.servers.fetch"], "cwd": str(CHECKOUT)},
    }
    async with open_gateway(tmp_path, servers) as served, open_peer(served, USER_KEY) as peer:
        assert {"time__convert_time", "git__git_log", "fetch__fetch"} <= set(await peer.names())
        assert '"timezone": "UTC"' in words(await peer.call("time__get_current_time", timezone="UTC"))
        assert "No commits" in words(await peer.call("git__git_status", repo_path=repository))
        refused = await peer.call("fetch__fetch", url=f"{served.url}/healthz")
        assert refused.isError
        prompts = [prompt.name for prompt in (await peer.session.list_prompts()).prompts]
        assert prompts == ["fetch__fetch"]


@pytest.mark.exhaustive
@pytest.mark.peers
async def test_servers_and_the_inspector_from_npm(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    assert request.config.cache is not None
    modules = await install(request.config.cache.mkdir("peers-2026.8.31"), "install", "--no-save", *NPM)
    scope, files = modules / "@modelcontextprotocol", tmp_path / "files"
    files.mkdir()
    (files / "note.txt").write_text("from a file")

    def server(name: str, *arguments: str, **env: str) -> Json:
        return {"command": node(), "args": [str(scope / name / "dist" / "index.js"), *arguments], "env": env}

    servers = {
        "everything": server("server-everything", "stdio"),
        "files": server("server-filesystem", str(files)),
        "memories": server("server-memory", MEMORY_FILE_PATH=str(tmp_path / "memory.jsonl")),
    }
    async with open_gateway(tmp_path, servers) as served, open_peer(served, USER_KEY) as peer:
        assert "hello" in words(await peer.call("everything__echo", message="hello"))
        assert words(await peer.call("files__read_text_file", path=str(files / "note.txt"))) == "from a file"
        assert (await peer.call("files__read_text_file", path="/etc/passwd")).isError
        assert not (await peer.call("memories__read_graph")).isError
        assert (await peer.session.list_resources()).resources
        assert (await peer.session.list_prompts()).prompts
        inspector = str(modules / ".bin" / "mcp-inspector")
        reach = ("--cli", f"{served.url}/mcp", "--transport", "http", "--header", f"Authorization: Bearer {USER_KEY}")
        code, listed = await run(inspector, *reach, "--method", "tools/list")
        assert (code, "everything__echo" in listed) == (0, True), listed
        call = ("--method", "tools/call", "--tool-name", "everything__echo", "--tool-arg", "message=inspected")
        code, said = await run(inspector, *reach, *call)
        assert (code, "inspected" in said) == (0, True), said


@pytest.mark.slow
async def test_the_second_generation_of_the_official_sdk_as_client_and_as_server(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    assert request.config.cache is not None
    packages = await install_second_generation(request.config.cache)
    second: Json = {"command": sys.executable, "args": ["-c", SERVER], "env": {"PYTHONPATH": packages}}
    async with open_gateway(tmp_path, {"time": TIME, "second": second}) as served:
        code, printed = await run(sys.executable, "-c", CLIENT, f"{served.url}/mcp", USER_KEY, PYTHONPATH=packages)
        assert (code, '"timezone": "UTC"' in printed) == (0, True), printed
        assert printed.endswith("from the second generation\n")
