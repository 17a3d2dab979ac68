"""`quick_tools.py time|calculator`: the tools of the servers of these names, over stdio. Standard library only, so that
it starts at once; the real ones take most of a second, and stand behind the tests of the REST API."""

import ast
import json
import operator
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

PROGRAM: Final = __file__
Json = dict[str, object]
_OPERATORS: Final[dict[type, Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}


def get_current_time(timezone: str) -> str:
    """Get current time in a specific timezone"""
    return json.dumps({"timezone": timezone, "datetime": datetime.now(ZoneInfo(timezone)).isoformat("T", "seconds")})


def calculate(expression: str) -> str:
    """Calculates/evaluates the given expression."""
    return str(_value(ast.parse(expression, mode="eval").body))


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.BinOp(left=left, op=sign, right=right):
            return _OPERATORS[type(sign)](_value(left), _value(right))
    raise ValueError(f"not understood: {ast.unparse(node)}")


_TOOLS: Final = {"time": (get_current_time, "timezone"), "calculator": (calculate, "expression")}


def run(tool: Callable[[str], str], argument: str) -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if "id" in request:
            result = answer(request["method"], request.get("params") or {}, tool, argument)
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}) + "\n")
            sys.stdout.flush()


def answer(method: str, params: Json, tool: Callable[[str], str], argument: str) -> Json:
    match method:
        case "initialize":
            server: Json = {"name": tool.__name__, "version": "1"}
            return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": server}
        case "tools/list":
            schema = {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}
            return {"tools": [{"name": tool.__name__, "description": tool.__doc__, "inputSchema": schema}]}
        case "tools/call":
            return call(tool, params["arguments"], argument)
        case _:
            return {}


def call(tool: Callable[[str], str], arguments: object, argument: str) -> Json:
    assert isinstance(arguments, dict)
    try:
        said, failed = tool(arguments[argument]), False
    except (ValueError, KeyError, SyntaxError) as error:
        said, failed = str(error), True
    return {"content": [{"type": "text", "text": said}], "isError": failed}


if __name__ == "__main__":
    run(*_TOOLS[sys.argv[1]])
