"""An MCP server over stdio with everything there is to forward: `python complete_server.py`. Standard library only.

It offers by name what the public conformance suite asks of a server (`complete_server.json`), and for our own tests
`measure` (has all that a definition can have), `record` (what the process was given), `hold` (waits to be cancelled;
`held` tells of it), `touch` (a resource changes) and `grow` (one more tool). Calls run side by side, each on a thread.
"""

import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

Json = dict[str, object]
EMPTY: Json = {"type": "object", "properties": {}}
OFFERS = json.loads(Path(__file__).with_suffix(".json").read_text())
FIXED: dict[str, list[Json]] = OFFERS["fixed"]
"""Tools that always answer the same."""


def text(words: str) -> Json:
    return {"type": "text", "text": words}


def strings(*names: str) -> Json:
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": list(names)}


def signed(uri: str) -> Json:
    """Describes what tells more of its server than it should, in words with something that nobody sees."""
    by = os.environ.get("COMPLETE_API_TOKEN")
    return {"uri": uri, "name": "signed", "description": f"By\u200b {by}", "mimeType": "text/plain"}


class Failure(Exception):
    """A JSON-RPC error to answer with."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


class Server:
    def __init__(self) -> None:
        self.speaking = threading.Lock()
        self.answers: dict[object, queue.Queue[Json]] = {}
        self.cancelled: dict[object, threading.Event] = {}
        self.held: list[str] = []
        self.level = "info"
        self.watched: set[object] = set()
        self.grown = 0
        self.asked = 0

    # ------------------------------------------------------------------ the wire
    def send(self, message: Json) -> None:
        with self.speaking:
            sys.stdout.buffer.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
            sys.stdout.buffer.flush()

    def notify(self, method: str, **params: object) -> None:
        self.send({"method": f"notifications/{method}", "params": params})

    def ask(self, method: str, params: Json) -> Json:
        """Asks the client and returns its answer, or the error it gave."""
        self.asked += 1
        number = f"ask-{self.asked}"
        self.answers[number] = queue.Queue()
        self.send({"id": number, "method": method, "params": params})
        return self.answers[number].get(timeout=60)

    def run(self) -> None:
        for line in sys.stdin:
            message = json.loads(line)
            number, method = message.get("id"), message.get("method")
            if method is None:
                self.answers[number].put(message)
            elif method == "notifications/cancelled":
                self.cancelled.setdefault(message["params"]["requestId"], threading.Event()).set()
            elif number is not None:
                threading.Thread(
                    target=self.answer, args=(number, method, message.get("params") or {}), daemon=True
                ).start()
        os._exit(0)

    def answer(self, number: object, method: str, params: Json) -> None:
        ways: dict[str, Callable[[Json, object], Json]] = {
            "initialize": self.initialize,
            "tools/list": lambda *_: {"tools": self.tools()},
            "tools/call": self.call,
            "resources/list": lambda *_: {"resources": [*OFFERS["resources"], signed("test://signed")]},
            "resources/subscribe": self.watch,
            "resources/unsubscribe": self.unwatch,
            "resources/templates/list": lambda *_: {"resourceTemplates": OFFERS["templates"]},
            "resources/read": lambda asked, _: {"contents": [self.read(str(asked["uri"]))]},
            "prompts/list": self.prompts,
            "prompts/get": self.prompt,
            "completion/complete": lambda _, __: {
                "completion": {"values": ["paris", "park"], "total": 2, "hasMore": False}
            },
            "logging/setLevel": self.set_level,
        }
        try:
            self.send({"id": number, "result": ways[method](params, number) if method in ways else {}})
        except Failure as failure:
            self.send({"id": number, "error": {"code": failure.code, "message": str(failure)}})

    def initialize(self, params: Json, number: object) -> Json:
        self.client = params
        identity = {"capabilities": OFFERS["capabilities"], "serverInfo": {"name": "complete", "version": "1"}}
        return {"protocolVersion": params["protocolVersion"], **identity}

    def set_level(self, params: Json, number: object) -> Json:
        self.level = str(params["level"])
        return {}

    # ------------------------------------------------------------------ what it has
    def tools(self) -> list[Json]:
        grown = [f"grown_{each}" for each in range(self.grown)]
        named = [
            {"name": name, "description": f"The tool {name}.", "inputSchema": OFFERS["schemas"].get(name, EMPTY)}
            for name in [*FIXED, *self.acts(), *grown]
        ]
        return [*named, OFFERS["measure"]]

    def prompts(self, params: Json, number: object) -> Json:
        """In two pages."""
        prompts = OFFERS["prompts"]
        first = [signed("test://signed"), *prompts[:2]]
        return {"prompts": prompts[2:]} if params.get("cursor") else {"prompts": first, "nextCursor": "more"}

    def watch(self, params: Json, number: object) -> Json:
        self.watched.add(params["uri"])
        return {}

    def unwatch(self, params: Json, number: object) -> Json:
        self.watched.discard(params["uri"])
        return {}

    def read(self, uri: str) -> Json:
        if uri == "test://static-binary":
            return {"uri": uri, "mimeType": "image/png", "blob": OFFERS["picture"]["data"]}
        if uri in ("test://static-text", "test://watched-resource"):
            return {"uri": uri, "mimeType": "text/plain", "text": "This is the content of the static text resource."}
        if uri.startswith("test://template/"):
            name = uri.split("/")[3]
            body = {"id": name, "templateTest": True, "data": f"Data for ID: {name}"}
            return {"uri": uri, "mimeType": "application/json", "text": json.dumps(body)}
        raise Failure(-32002, "Resource not found")

    def prompt(self, params: Json, number: object) -> Json:
        given = params.get("arguments")
        given = given if isinstance(given, dict) else {}
        arguments = f"Prompt with arguments: arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'"
        embedded: Json = {
            "type": "resource",
            "resource": {
                "uri": str(given.get("resourceUri")),
                "mimeType": "text/plain",
                "text": "Embedded resource content for testing.",
            },
        }
        contents: dict[str, list[Json]] = {
            "test_simple_prompt": [text("This is a simple prompt for testing.")],
            "test_prompt_with_arguments": [text(arguments)],
            "test_prompt_with_embedded_resource": [embedded, text("Please process the embedded resource above.")],
            "test_prompt_with_image": [OFFERS["picture"], text("Please analyze the image above.")],
        }
        return {"messages": [{"role": "user", "content": content} for content in contents[str(params["name"])]]}

    # ------------------------------------------------------------------ what it does
    def acts(self) -> dict[str, Callable[[Json, Json, object], str]]:
        return {
            "test_tool_with_logging": self.log_thrice,
            "test_tool_with_progress": self.progress_thrice,
            "test_error_handling": self.fail,
            "test_sampling": self.sample,
            "test_elicitation": self.elicit,
            "test_elicitation_sep1034_defaults": lambda *_: self.fill(OFFERS["defaults"]),
            "test_elicitation_sep1330_enums": lambda *_: self.fill(OFFERS["enums"]),
            "test_elicitation_one": lambda *_: self.fill({"age": {"type": "integer", "title": "Your age"}}),
            "record": lambda *_: json.dumps({"env": dict(os.environ), "client": self.client, "level": self.level}),
            "hold": self.hold,
            "held": lambda *_: " ".join(self.held),
            "touch": self.touch,
            "grow": self.grow,
        }

    def call(self, params: Json, number: object) -> Json:
        name, arguments = str(params["name"]), params.get("arguments")
        if name in FIXED:
            return {"content": FIXED[name]}
        if name == "measure":
            measured = arguments.get("measured") if isinstance(arguments, dict) else None
            return {"content": [text(json.dumps(measured))], "structuredContent": measured}
        meta = params.get("_meta")
        act = self.acts().get(name, self.nothing)
        try:
            words = act(
                arguments if isinstance(arguments, dict) else {}, meta if isinstance(meta, dict) else {}, number
            )
        except ValueError as error:
            return {"content": [text(str(error))], "isError": True}
        return {"content": [text(words)]}

    def nothing(self, arguments: Json, meta: Json, number: object) -> str:
        return "nothing"

    def log_thrice(self, arguments: Json, meta: Json, number: object) -> str:
        for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            self.notify("message", level="info", logger="complete", data=words)
        return "logged"

    def progress_thrice(self, arguments: Json, meta: Json, number: object) -> str:
        for done in (0, 50, 100):
            if "progressToken" in meta:
                self.notify("progress", progressToken=meta["progressToken"], progress=done, total=100)
        return "progressed"

    def fail(self, arguments: Json, meta: Json, number: object) -> str:
        raise ValueError("This tool intentionally returns an error for testing")

    def sample(self, arguments: Json, meta: Json, number: object) -> str:
        said = text(str(arguments["prompt"]))
        answer = self.ask("sampling/createMessage", {"messages": [{"role": "user", "content": said}], "maxTokens": 100})
        if "error" in answer:
            raise ValueError(f"no sampling: {answer['error']}")
        result: Any = answer["result"]
        return f"LLM response: {result['content']['text']}"

    def elicit(self, arguments: Json, meta: Json, number: object) -> str:
        schema = strings("username", "email")
        answer = self.ask("elicitation/create", {"message": arguments["message"], "requestedSchema": schema})
        return f"User response: {json.dumps(answer.get('result') or answer)}"

    def fill(self, properties: Json) -> str:
        schema = {"type": "object", "properties": properties}
        answer = self.ask("elicitation/create", {"message": "Please fill this in.", "requestedSchema": schema})
        result = answer.get("result")
        result = result if isinstance(result, dict) else {"action": "error"}
        return f"Elicitation completed: action={result['action']}, content={json.dumps(result.get('content'))}"

    def hold(self, arguments: Json, meta: Json, number: object) -> str:
        cancelled = self.cancelled.setdefault(number, threading.Event())
        self.held.append(f"{arguments['key']}:waiting")
        cancelled.wait(20)
        self.held.append(f"{arguments['key']}:cancelled")
        return "let go"

    def touch(self, arguments: Json, meta: Json, number: object) -> str:
        if arguments["uri"] in self.watched:
            self.notify("resources/updated", uri=arguments["uri"])
        return "touched"

    def grow(self, arguments: Json, meta: Json, number: object) -> str:
        self.grown += 1
        self.notify("tools/list_changed")
        return "grown"


if __name__ == "__main__":
    Server().run()
