"""An MCP server over stdio that gives its secrets away. Standard library only, so that it starts at once.

`leaky_server.py [start]`: what it knows is in its variable LEAKY_PASSWORD. With `start` it tells it and does not start.
"""

import base64
import json
import os
import sys

KNOWN = os.environ["LEAKY_PASSWORD"]
FORMS = {"raw": KNOWN, "base64": base64.b64encode(KNOWN.encode()).decode(), "hex": KNOWN.encode().hex()}
TOOLS = ("show", "large", "careful", "refuse", "fail", "crash")


def call(name: str, arguments: object) -> dict[str, object]:
    told = json.dumps({"asked": arguments, "password": KNOWN, **FORMS})
    match name:
        case "refuse":
            return {"error": {"code": -32603, "message": f"cannot log in with {told}", "data": FORMS}}
        case "crash":
            sys.stderr.write(f"Traceback: ValueError: cannot log in with {told}\n")
            sys.stderr.flush()
            os._exit(3)
        case "large":
            told += f"\n{KNOWN}" + " more" * 100_000
        case _:
            pass
    return {"result": {"content": [{"type": "text", "text": told}], "isError": name == "fail"}}


def answer(method: str, params: dict[str, object]) -> dict[str, object] | None:
    match method:
        case "initialize":
            server = {"name": "leaky", "version": "1"}
            return {"result": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": server}}
        case "tools/list":
            schema = {"type": "object"}
            tools = [{"name": name, "description": f"{name} {KNOWN}", "inputSchema": schema} for name in TOOLS]
            return {"result": {"tools": tools}}
        case "tools/call":
            return call(str(params["name"]), params.get("arguments"))
        case _:
            return {"result": {}} if method == "ping" else None


def main() -> None:
    if "start" in sys.argv:
        sys.exit(f"cannot log in with {KNOWN}")
    for line in sys.stdin:
        request = json.loads(line)
        said = answer(request["method"], request.get("params") or {})
        if said is not None and "id" in request:
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": request["id"], **said}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
