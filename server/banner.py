"""What the terminal shows once the server answers: where it is, the key, and a line to paste."""

import json
import shlex
from typing import Final

QUESTION: Final = "What time is it in Tokyo right now?"


def build_banner(url: str, generated_key: str | None) -> str:
    """Returns the text. A configured key is known to whoever configured it, and not shown again."""
    shown = generated_key or "one of API_KEYS (put it into $API_KEY for the line below)"
    return f"""
  open-agent is up

    Address   {url}
    API key   {shown}
    API docs  {url}/docs

  Ask something: paste this line into another terminal.

{build_paste_line(url, generated_key)}

  Models and tool servers warm up in the background: {url}/readyz
  Where to look next: README.md, docs/
"""


def build_gateway_banner(url: str, generated_key: str | None) -> str:
    """Returns the text for a gateway that is served alone."""
    return f"""
  open-agent's MCP gateway is up

    Address   {url}/mcp   (one server, by its own names: {url}/mcp/NAME)
    API key   {generated_key or "one of API_KEYS"}

  Tool servers start in the background: {url}/readyz
  How to use it: docs/gateway.md
"""


def build_paste_line(url: str, key: str | None, question: str = QUESTION) -> str:
    """Returns one line for any shell with curl: a conversation, a message, and the run that answers it, streamed."""
    message = shlex.quote(json.dumps({"content": question}, ensure_ascii=False))
    bearer = f"'Authorization: Bearer {key}'" if key else '"Authorization: Bearer $API_KEY"'
    post = f"curl -sN {url}/v1/conversations$1 -H {bearer} -H 'Content-Type: application/json' -d \"$2\""
    return (
        f"post() {{ {post}; }}; "
        "chat=$(post '' '{}' | grep -o 'conv_[0-9a-f-]*' | head -1) && "
        f"post /$chat/messages {message} >/dev/null && "
        "post /$chat/runs '{\"stream\": true}'"
    )
