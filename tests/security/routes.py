"""Every route of the API's description, with an id of the right shape wherever a path has one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import httpx

from tests.http.serving import Json

OPEN: Final = {"/", "/healthz", "/readyz", "/docs", "/openapi.json"}
"""What answers without a key."""


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    """With its `{names}`."""
    names: tuple[str, ...]
    example: str
    """The path with the description's own examples for ids."""
    body: Json | None
    """The description's example of a body."""

    def filled(self, **ids: str) -> str:
        """Returns the path with these ids; what is not given is filled with the example."""
        path = self.path
        for name, value in ids.items():
            path = path.replace(f"{{{name}}}", value)
        return path


async def all_routes(client: httpx.AsyncClient) -> list[Route]:
    document: Json = (await client.get("/openapi.json")).raise_for_status().json()
    return list(_routes(document))


def _routes(document: Json) -> Iterator[Route]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            inside = [each for each in operation.get("parameters", []) if each["in"] == "path"]
            example = path
            for each in inside:
                shown = each.get("example") or each["schema"].get("examples", [None])[0]
                assert shown is not None, (path, each["name"])
                example = example.replace(f"{{{each['name']}}}", str(shown))
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            bodies = [each["value"] for each in content.get("examples", {}).values()]
            names = tuple(each["name"] for each in inside)
            yield Route(method.upper(), path, names, example, bodies[0] if bodies else None)
