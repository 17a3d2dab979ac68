"""An MCP server over stdio whose tools leave traces: `python acting_server.py FOLDER`. Standard library only.

`act` (annotated as neither read-only nor idempotent) and `look` (read-only) each add a line to FOLDER/<tool>-<key>, in
the middle of some milliseconds of work. `hold` starts a child process, writes its id to FOLDER/hold-<key>, and waits
until the call is cancelled. Calls run side by side.
"""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

Json = dict[str, object]
SCHEMA: Json = {"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"]}
WORK_SECONDS = 0.03
TOOLS: list[Json] = [
    {
        "name": "act",
        "description": "Does it.",
        "inputSchema": SCHEMA,
        "annotations": {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": False},
    },
    {"name": "look", "description": "Looks.", "inputSchema": SCHEMA, "annotations": {"readOnlyHint": True}},
    {"name": "hold", "description": "Waits.", "inputSchema": SCHEMA, "annotations": {"readOnlyHint": True}},
]


class Server:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.speaking = threading.Lock()
        self.cancelled: dict[object, threading.Event] = {}

    def send(self, message: Json) -> None:
        with self.speaking:
            sys.stdout.buffer.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
            sys.stdout.buffer.flush()

    def run(self) -> None:
        for line in sys.stdin:
            request = json.loads(line)
            self.answer(request["method"], request.get("params") or {}, request.get("id"))
        os._exit(0)  # the other end is gone, and with it everyone who waits here

    def answer(self, method: str, params: Json, number: object) -> None:
        match method:
            case "initialize":
                identity = {"capabilities": {"tools": {}}, "serverInfo": {"name": "acting", "version": "1"}}
                self.send({"id": number, "result": {"protocolVersion": params["protocolVersion"], **identity}})
            case "ping":
                self.send({"id": number, "result": {}})
            case "tools/list":
                self.send({"id": number, "result": {"tools": TOOLS}})
            case "tools/call":
                self.cancelled[number] = threading.Event()
                threading.Thread(target=self.call, args=(params, number), daemon=True).start()
            case "notifications/cancelled" if waiting := self.cancelled.get(params["requestId"]):
                waiting.set()

    def call(self, params: Json, number: object) -> None:
        name, arguments = params["name"], params["arguments"]
        assert isinstance(arguments, dict)
        trace = self.folder / f"{name}-{arguments['key']}"
        if name == "hold":
            self.hold(trace, self.cancelled[number])
            return
        self.cancelled[number].wait(WORK_SECONDS)
        with trace.open("a") as lines:
            lines.write("done\n")
        self.cancelled[number].wait(WORK_SECONDS)
        self.send({"id": number, "result": {"content": [{"type": "text", "text": f"{name} done"}]}})

    def hold(self, trace: Path, cancelled: threading.Event) -> None:
        child = subprocess.Popen(["sleep", "600"])
        trace.write_text(str(child.pid))
        cancelled.wait()
        child.kill()
        child.wait()


if __name__ == "__main__":
    Server(Path(sys.argv[1])).run()
