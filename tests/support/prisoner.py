"""An MCP server over stdio with one tool, `run`, that runs Python it is sent: a hostile server, to try its sandbox.

Standard library only.
"""

import contextlib
import io
import json
import sys
import traceback

TOOL = {
    "name": "run",
    "description": "Runs code.",
    "inputSchema": {"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]},
}


def answer(request: dict[str, object]) -> dict[str, object]:
    match request["method"], request.get("params"):
        case "initialize", {"protocolVersion": version}:
            about = {"name": "prisoner", "version": "1"}
            return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}
        case "tools/list", _:
            return {"tools": [TOOL]}
        case "tools/call", {"arguments": {"code": str(code)}}:
            return {"content": [{"type": "text", "text": run(code)}]}
        case _:
            return {}


def run(code: str) -> str:
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            exec(code, {})
    except BaseException:
        said.write(traceback.format_exc().splitlines()[-1])
    return said.getvalue()


for line in sys.stdin:
    asked = json.loads(line)
    if "id" in asked:
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": answer(asked)}), flush=True)
