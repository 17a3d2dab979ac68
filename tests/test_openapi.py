"""The committed description of the API is the API's."""

from pathlib import Path
from typing import Any

import pytest

from config.settings import load_settings
from graph.events import TERMINAL
from server.app import build_app
from server.cli.openapi import render_openapi
from server.completions.refusals import is_openai_path

COMMITTED = Path(__file__).parent.parent / "docs" / "openapi.json"

Document = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Document:
    return build_app(load_settings(None, model_provider="embedded")).openapi()


def operations(document: Document) -> list[tuple[str, Document]]:
    return [(path, operation) for path, item in document["paths"].items() for operation in item.values()]


def test_the_committed_description_is_up_to_date(document: Document) -> None:
    assert COMMITTED.read_text() == render_openapi(document), "run ./open-agent openapi docs/openapi.json"


def test_every_operation_has_a_name_a_summary_and_its_problems(document: Document) -> None:
    for path, operation in operations(document):
        assert operation["operationId"].replace("_", "").isalpha()
        assert operation["summary"]
        if not path.startswith("/v1/"):
            continue
        assert operation["security"]
        assert {"401", "422", "500", "503"} <= set(operation["responses"])
        kind = "application/json" if is_openai_path(path) else "application/problem+json"
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert list(response["content"]) == [kind], (path, status)


def test_names_of_operations_are_unique(document: Document) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]
    assert sorted(names) == sorted(set(names))


def test_every_group_of_operations_is_described(document: Document) -> None:
    used = {tag for _, operation in operations(document) for tag in operation["tags"]}
    assert used == {tag["name"] for tag in document["tags"]}


def test_both_streams_are_described_by_the_events(document: Document) -> None:
    create = document["paths"]["/v1/conversations/{conversation_id}/runs"]["post"]
    follow = document["paths"]["/v1/runs/{run_id}/events"]["get"]
    for operation in (create, follow):
        stream = operation["responses"]["200"]["content"]["text/event-stream"]
        assert stream["schema"] == {"$ref": "#/components/schemas/StreamedRunEvent"}
    frame = document["components"]["schemas"]["StreamedRunEvent"]["properties"]
    assert frame["data"]["contentSchema"] == {"$ref": "#/components/schemas/RunEvent"}
    events = document["components"]["schemas"]["RunEvent"]["discriminator"]["mapping"]
    assert frame["event"]["enum"] == list(events)
    assert len(events) == 14
    assert set(events) >= TERMINAL


def test_every_post_takes_an_idempotency_key(document: Document) -> None:
    posts = [item["post"] for item in document["paths"].values() if "post" in item]
    assert posts
    for operation in posts:
        assert "Idempotency-Key" in [each["name"] for each in operation["parameters"]]
        assert {"409", "422"} <= set(operation["responses"])


def test_requests_show_an_example(document: Document) -> None:
    for _, operation in operations(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            assert content.get("examples") or content["schema"].get("default") is not None, operation["operationId"]
