"""A server that floods its callers with notices reaches them with a few, and its results come all the same."""

import json
import sys
import time
from pathlib import Path

import pytest

from tests.gateway.peer import open_peer, words
from tests.http.serving import USER_KEY, build_settings, open_served

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

CHAOS = Path(__file__).parent.parent / "support" / "chaos_server.py"


@pytest.mark.parametrize("mode", ["notices", "progress-flood"])
async def test_of_a_flood_a_client_gets_a_few_and_the_result(tmp_path: Path, mode: str) -> None:
    loud = {"command": sys.executable, "args": ["-I", "-S", str(CHAOS), mode]}
    policies = tmp_path / "policies.yaml"
    policies.write_text("rules: [{match: '*', verdict: allow}]\n")
    servers = json.dumps({"mcpServers": {"loud": loud}})
    settings = build_settings(tmp_path, "http://127.0.0.1:9", mcp_servers=servers, tool_policies_file=policies)
    async with open_served(settings) as served, open_peer(served, USER_KEY) as peer:
        await peer.names()
        began = time.monotonic()
        assert words(await peer.call("loud__act")) == "done"
        # 5000 were sent: 100 at once and 20 each second get through
        assert 0 < len(peer.logs) + len(peer.progress) <= 100 + 20 * (time.monotonic() - began + 1)
