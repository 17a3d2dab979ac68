"""One served product for all tests of the gateway: a server with everything to forward, and one with only tools."""

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from config.settings import Settings
from tests.http.serving import Served, build_settings, open_served

SUPPORT = Path(__file__).parent.parent / "support"
CANARY = "canary-5f2c77a1d9e0"
SERVERS = {
    "complete": {
        "command": sys.executable,
        "args": ["-I", "-S", str(SUPPORT / "complete_server.py")],
        "env": {"COMPLETE_API_TOKEN": CANARY},
        "x-open-agent": {"sampling": True},
    },
    "plain": {"command": sys.executable, "args": ["-I", "-S", str(SUPPORT / "chaos_server.py"), "healthy"]},
}
POLICIES = """
rules:
  - {match: "*", roles: [user, service], verdict: allow}
  - {match: "*", roles: [admin], verdict: allow}
  - {match: plain__count, roles: [user, admin], verdict: ask}
  - {match: plain__act, verdict: deny, reason: not for anybody}
  - {match: complete__resources/read, when: [{argument: /uri, matches: "*watched*"}], verdict: deny}
"""


def build_gateway_settings(folder: Path) -> Settings:
    (folder / "policies.yaml").write_text(POLICIES)
    servers = json.dumps({"mcpServers": SERVERS})
    more = {"mcp_servers": servers, "tool_policies_file": folder / "policies.yaml"}
    return build_settings(folder, "http://127.0.0.1:9/v1", **more)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with open_served(build_gateway_settings(tmp_path_factory.mktemp("gateway"))) as served:
        yield served
